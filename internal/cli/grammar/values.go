package grammar

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
)

var duration = reflect.TypeFor[time.Duration]()

func (v *value) isBool() bool {
	t := v.target.Type()
	return t.Kind() == reflect.Bool || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Bool
}

// set makes text its value. An error begins with how it goes on after the name.
func (v *value) set(text string) error {
	if v.enum != nil && !slices.Contains(v.enum, text) {
		return fmt.Errorf(" must be one of %s but got %q", quoted(v.enum, ","), text)
	}
	return assign(v.target, text)
}

func assign(to reflect.Value, text string) error {
	t := to.Type()
	switch {
	case t == duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf(": expected a duration like 30s or 24h but got %q", text)
		}
		to.SetInt(int64(d))
		return nil
	case t.Kind() == reflect.Pointer:
		to.Set(reflect.New(t.Elem()))
		return assign(to.Elem(), text)
	case t.Kind() == reflect.Slice: // commas divide; \, is one
		for _, part := range split(text) {
			element := reflect.New(t.Elem()).Elem()
			if err := assign(element, part); err != nil {
				return err
			}
			to.Set(reflect.Append(to, element))
		}
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		to.SetString(text)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "1", "yes":
			to.SetBool(true)
		case "false", "0", "no":
			to.SetBool(false)
		default:
			return fmt.Errorf(": expected true or false but got %q", text)
		}
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, t.Bits())
		if err != nil {
			return fmt.Errorf(": expected a whole number but got %q%s", text, beyond(err))
		}
		to.SetInt(n)
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf(": expected a number but got %q%s", text, beyond(err))
		}
		to.SetFloat(n)
	default:
		return fmt.Errorf(": nothing reads a %s", t)
	}
	return nil
}

func beyond(err error) string {
	if errors.Is(err, strconv.ErrRange) {
		return ", which is too large"
	}
	return ""
}

func split(text string) (parts []string) {
	if text == "" {
		return nil
	}
	part := ""
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			part += ","
			i++
		case text[i] == ',':
			parts, part = append(parts, part), ""
		default:
			part += text[i : i+1]
		}
	}
	return append(parts, part)
}

// unknown is an error that names the one of names that was meant.
func unknown(what, word string, names []string) error {
	if near := model.Nearest(word, names); near != "" {
		return fmt.Errorf("%s, did you mean %q?", what, near)
	}
	return errors.New(what)
}
