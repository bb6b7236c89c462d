package autocrud_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
)

// TestEverySettingTellsItsDefault reads the comments that `go doc` shows and
// compares them with what WithDefaults fills in.
func TestEverySettingTellsItsDefault(t *testing.T) {
	comments := settingComments(t)
	filled := reflect.ValueOf(autocrud.Settings{}.WithDefaults())
	if filled.NumField() < 50 {
		t.Fatalf("%d settings", filled.NumField())
	}
	for i := range filled.NumField() {
		name := filled.Type().Field(i).Name
		comment := comments[name]
		if !strings.HasPrefix(comment, name+" ") {
			t.Errorf("the comment of %s does not begin with its name: %q", name, comment)
		}
		_, tells, ok := strings.Cut(comment, "Default")
		if !ok {
			t.Errorf("the comment of %s names no default: %q", name, comment)
		}
		if value := filled.Field(i); !value.IsZero() && !strings.Contains(tells, written(value)) {
			t.Errorf("the default of %s is %s; its comment says %q", name, written(value), tells)
		}
	}
}

// settingComments are the comments of the fields of Settings, each in one line.
func settingComments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "settings.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, field := range file.Scope.Lookup("Settings").Decl.(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
		for _, name := range field.Names {
			out[name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
	}
	return out
}

// written is a default as the comments write it: 24h, 10 GiB.
func written(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		text := d.String()
		for _, zero := range []string{"m0s", "h0m"} { // 24h0m0s is 24h
			if strings.HasSuffix(text, zero) {
				text = text[:len(text)-2]
			}
		}
		return text
	}
	if v.CanInt() {
		for shift, unit := range map[int]string{40: "TiB", 30: "GiB", 10: "KiB"} {
			if n := v.Int(); n >= 1<<shift && n%(1<<shift) == 0 && n>>shift < 1024 {
				return fmt.Sprintf("%d %s", n>>shift, unit)
			}
		}
	}
	return fmt.Sprint(v.Interface())
}

func TestSettingsArePrintedWithoutTheirSecrets(t *testing.T) {
	s := autocrud.Settings{Addr: "127.0.0.1:1", S3SecretKey: "hush-hush", NatsURL: "nats://user:hush-hush@127.0.0.1:4222"}
	encoded, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", &s), s.LogValue().String(), string(encoded)} {
		if strings.Contains(text, "hush-hush") || !strings.Contains(text, "127.0.0.1:1") {
			t.Errorf("printed: %s", text)
		}
	}
}
