package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// variable is a shell variable that an earlier command has set, in the argument of a later
// command.
type variable string

const (
	queueURL variable = "queue_url"
	queueARN variable = "queue_arn"
	deadURL  variable = "dead_url"
	deadARN  variable = "dead_arn"
)

// mark surrounds a variable's name: a character of the private use area, which occurs
// nowhere else and which JSON keeps unchanged.
const mark = "\uE000"

// in returns the placeholder for the variable in an argument.
func (v variable) in() string { return mark + string(v) + mark }

// aws returns the shell command "aws ARGS", with arguments quoted where necessary.
func aws(args ...string) string {
	words := []string{"aws"}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// set returns a shell command that assigns the output of command to v.
func (v variable) set(command string) string { return fmt.Sprintf("%s=$(%s)", v, command) }

// quote returns the argument as one word of a POSIX shell.
func quote(arg string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@"
	var b strings.Builder
	for i, part := range strings.Split(arg, mark) {
		switch {
		case i%2 == 1:
			b.WriteString(`"$` + part + `"`)
		case part == "" && arg != "":
		case part != "" && strings.Trim(part, plain) == "":
			b.WriteString(part)
		default:
			b.WriteString("'" + strings.ReplaceAll(part, "'", `'\''`) + "'")
		}
	}
	return b.String()
}

// lean returns an SDK value as JSON of the command line: with the API's own names and
// without unset fields. Keys are sorted.
func lean(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("provision: %T is not JSON: %v", v, err)) // SDK types are always JSON
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		panic(fmt.Sprintf("provision: %v", err))
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(strip(tree)); err != nil {
		panic(fmt.Sprintf("provision: %v", err))
	}
	return strings.TrimSpace(out.String())
}

// strip removes nulls and the empty strings of unset enumerations. Only prefixes and the
// values of tags may really be empty.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value == nil || value == "" && key != "Prefix" && key != "Value" {
				delete(v, key)
				continue
			}
			v[key] = strip(value)
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}
