package resource

// maxFieldErrors bounds how many places one refusal names.
const maxFieldErrors = 100
