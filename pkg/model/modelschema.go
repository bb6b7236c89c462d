package model

import _ "embed" // the schema of model files

// FileSchema is the JSON Schema of model files, for editors. LoadTypes knows more: what
// only a whole model can tell.
//
//go:embed model.schema.json
var FileSchema []byte

// FileSchemaName is the name of the schema beside model files, which LoadTypes passes
// over.
const FileSchemaName = ".model.schema.json"
