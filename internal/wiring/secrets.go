package wiring

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// eachSecret calls fn with every setting that must not be shown, and with whether it
// is a URL, or a list of them, of which only the passwords are secret.
func eachSecret(settings reflect.Value, fn func(x reflect.Value, url bool)) {
	for i := range settings.NumField() {
		f, x := settings.Type().Field(i), settings.Field(i)
		switch {
		case f.Anonymous && x.Kind() == reflect.Struct:
			eachSecret(x, fn)
		case x.Kind() == reflect.String && x.Len() > 0 && f.Tag.Get("secret") != "":
			fn(x, f.Tag.Get("secret") == "url")
		}
	}
}

// secrets are the texts that must not be shown, longest first.
func (s *Settings) secrets() (out []string) {
	eachSecret(reflect.ValueOf(s).Elem(), func(x reflect.Value, url bool) {
		texts := []string{x.String()}
		if url {
			texts = passwords(x.String())
		}
		for _, text := range texts {
			if len(text) >= 3 {
				out = append(out, text)
			}
		}
	})
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// passwords are what a URL, or a list of them, holds between ':' and '@', as it is
// written and as it is meant; a URL that cannot be read may hold one too.
func passwords(text string) (out []string) {
	for one := range strings.SplitSeq(text, ",") {
		_, rest, ok := strings.Cut(one, "://")
		if !ok {
			rest = one
		}
		at := strings.LastIndex(rest, "@")
		if at < 0 {
			if _, after, found := strings.Cut(one, "password="); found { // keyword=value
				out = append(out, strings.Trim(strings.Fields(after + " ")[0], "'"))
			}
			continue
		}
		user, password, ok := strings.Cut(rest[:at], ":")
		if !ok {
			password = user // a token
		}
		out = append(out, password)
		if plain, err := url.PathUnescape(password); err == nil && plain != password {
			out = append(out, plain)
		}
	}
	return out
}

// scrub takes the secrets out of a text.
func (s *Settings) scrub(text string) string {
	for _, secret := range s.secrets() {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// scrubbed is an error that says no secret; it is still what it was.
func (s *Settings) scrubbed(err error) error {
	if err == nil {
		return nil
	}
	if text := s.scrub(err.Error()); text != err.Error() {
		var setting *SettingError
		if errors.As(err, &setting) {
			return &SettingError{s.scrub(setting.Reason)}
		}
		return &scrubbedError{text, err}
	}
	return err
}

type scrubbedError struct {
	text string
	err  error
}

// Error implements error.
func (e *scrubbedError) Error() string { return e.text }

// Unwrap implements errors.
func (e *scrubbedError) Unwrap() error { return e.err }

// scrubAttr takes the secrets out of what is logged.
func (s *Settings) scrubAttr() func([]string, slog.Attr) slog.Attr {
	secrets := s.secrets()
	if len(secrets) == 0 {
		return nil
	}
	return func(_ []string, a slog.Attr) slog.Attr {
		var text string
		switch a.Value.Kind() {
		case slog.KindString:
			text = a.Value.String()
		case slog.KindAny:
			if a.Value.Any() == nil {
				return a
			}
			text = fmt.Sprint(a.Value.Any())
		default:
			return a
		}
		clean := text
		for _, secret := range secrets {
			clean = strings.ReplaceAll(clean, secret, redacted)
		}
		if clean != text {
			a.Value = slog.StringValue(clean)
		}
		return a
	}
}

// bare is Settings without methods.
type bare Settings

// shown are the settings as they may be printed.
func (s Settings) shown() bare {
	eachSecret(reflect.ValueOf(&s).Elem(), func(x reflect.Value, url bool) {
		text := redacted
		if url {
			text = x.String()
			for _, p := range passwords(text) {
				text = strings.ReplaceAll(text, p, redacted)
			}
		}
		x.SetString(text)
	})
	return bare(s)
}

// Format implements fmt.Formatter: printed settings show no secret.
func (s Settings) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), s.shown())
}

// LogValue implements slog.LogValuer.
func (s Settings) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", s)) }

// MarshalJSON implements json.Marshaler.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(s.shown()) }
