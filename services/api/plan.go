package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// planModels says what changed models would do to the data.
func planModels(a *API, c call) error {
	var cancel context.CancelFunc
	c.r, cancel = long(c.w, c.r)
	defer cancel()
	if err := a.m.Guard.Admin(c.r.Context()); err != nil { // before it is waited for the body
		return err
	}
	body, err := readObject(c.w, c.r, "models", "kept")
	if err != nil {
		return err
	}
	files, err := modelFiles(body["models"])
	if err != nil {
		return err
	}
	kept, err := namesIn(body, "kept")
	if err != nil {
		return err
	}
	types, err := model.ParseTypes(files, kept...)
	if err == nil {
		err = model.BindMigrations(types, model.MigrationFunctions(a.m.States.Types()))
	}
	if err != nil {
		return mistakesOf(err)
	}
	out, err := a.m.Admin.Plan(c.r.Context(), types, kept, nil)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, out)
}

// reloadModels serves the models as their files are now.
func reloadModels(a *API, c call) error {
	var cancel context.CancelFunc
	c.r, cancel = long(c.w, c.r)
	defer cancel()
	if err := a.m.Guard.Admin(c.r.Context()); err != nil {
		return err
	}
	if a.o.Reload == nil {
		return fault.Errorf(fault.InvalidState, "this service does not read its models again; start it anew")
	}
	out, err := a.o.Reload(c.r.Context())
	if err != nil {
		return mistakesOf(err)
	}
	return c.json(http.StatusOK, out)
}

// mistakesOf tells the mistakes of model files one by one.
func mistakesOf(err error) error {
	var mistakes model.ModelErrors
	if !errors.As(err, &mistakes) {
		return err
	}
	refused := &fault.Error{Code: fault.ValidationFailed, Detail: "the models have mistakes"}
	for _, m := range mistakes[:min(len(mistakes), model.MaxFieldErrors)] {
		refused.Fields = append(refused.Fields, fault.FieldError{Pointer: "/models", Detail: m.Error()})
	}
	return refused
}

func modelFiles(v any) (files []model.File, err error) {
	list, ok := v.([]any)
	if !ok {
		return nil, invalid("/models", "must be a list of files, each with name and content")
	}
	for i, x := range list {
		at := model.PointerTo("/models", i)
		file, _ := x.(map[string]any)
		name, named := file["name"].(string)
		content, filled := file["content"].(string)
		if !named || name == "" || !filled || len(file) != 2 {
			return nil, invalid(at, "must be a file, with name and content")
		}
		files = append(files, model.File{Name: name, Content: []byte(content)})
	}
	return files, nil
}

// namesIn reads a list of names, which may be left out.
func namesIn(body map[string]any, key string) (names []string, err error) {
	v, given := body[key]
	list, ok := v.([]any)
	if given && !ok {
		return nil, invalid("/"+key, "must be a list of names")
	}
	for i, x := range list {
		name, ok := x.(string)
		if !ok {
			return nil, invalid(model.PointerTo("/"+key, i), "must be a name")
		}
		names = append(names, name)
	}
	return names, nil
}
