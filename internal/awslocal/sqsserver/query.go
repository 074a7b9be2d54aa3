package sqsserver

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The query protocol: flat form parameters in, XML out. "A.2.B=x" sets field B of the
// second item of list A. The names follow the struct tags of api.go.

const (
	queryNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"
	maxQueryDepth  = 8
	maxQueryFields = 2000
)

// queryNode is one step of the dotted names.
type queryNode struct {
	value    string
	children map[string]*queryNode
}

// decodeQuery fills into, a pointer to one of the input structs, from form.
func decodeQuery(form url.Values, into any) error {
	if len(form) > maxQueryFields {
		return fail("InvalidParameterValue", "the request has more than %d parameters", maxQueryFields)
	}
	root := &queryNode{}
	for name, values := range form {
		steps := strings.Split(name, ".")
		if len(steps) > maxQueryDepth || len(values) == 0 {
			continue
		}
		node := root
		for _, step := range steps {
			if node.children == nil {
				node.children = make(map[string]*queryNode)
			}
			next := node.children[step]
			if next == nil {
				next = &queryNode{}
				node.children[step] = next
			}
			node = next
		}
		node.value = values[0]
	}
	return root.structure(reflect.ValueOf(into).Elem())
}

func (n *queryNode) structure(v reflect.Value) error {
	for _, field := range reflect.VisibleFields(v.Type()) {
		if field.Anonymous || !field.IsExported() {
			continue
		}
		name, keyName, valueName := queryNames(field)
		child := n.children[name]
		if child == nil {
			continue
		}
		if err := child.into(v.FieldByIndex(field.Index), name, keyName, valueName); err != nil {
			return err
		}
	}
	return nil
}

func (n *queryNode) into(v reflect.Value, name, keyName, valueName string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.value)
	case reflect.Int:
		i, err := strconv.Atoi(n.value)
		if err != nil {
			return invalidParameter(name, strconv.Quote(n.value), "must be a number.")
		}
		v.SetInt(int64(i))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return n.into(v.Elem(), name, keyName, valueName)
	case reflect.Struct:
		return n.structure(v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b, err := base64.StdEncoding.DecodeString(n.value)
			if err != nil {
				return invalidParameter(name, "(binary)", "must be base64.")
			}
			v.SetBytes(b)
			return nil
		}
		for _, item := range n.items() {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := item.into(element, name, "", ""); err != nil {
				return err
			}
			v.Set(reflect.Append(v, element))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, item := range n.items() {
			key := item.children[keyName]
			if key == nil {
				return missingParameter(name + ".n." + keyName)
			}
			element := reflect.New(v.Type().Elem()).Elem()
			if value := item.children[valueName]; value != nil {
				if err := value.into(element, name, "", ""); err != nil {
					return err
				}
			}
			v.SetMapIndex(reflect.ValueOf(key.value), element)
		}
	default:
		panic("sqsserver: no query form for " + v.Type().String())
	}
	return nil
}

// items returns the numbered children in order. A list of one may also have the plain
// name.
func (n *queryNode) items() []*queryNode {
	if len(n.children) == 0 {
		return []*queryNode{n}
	}
	numbered := make(map[int]*queryNode, len(n.children))
	for step, child := range n.children {
		if i, err := strconv.Atoi(step); err == nil {
			numbered[i] = child
		}
	}
	items := make([]*queryNode, 0, len(numbered))
	for _, i := range slices.Sorted(maps.Keys(numbered)) {
		items = append(items, numbered[i])
	}
	return items
}

// queryNames returns the field's name in the query protocol and, for a map, the names
// of an entry's two halves.
func queryNames(field reflect.StructField) (name, keyName, valueName string) {
	if tag, ok := field.Tag.Lookup("query"); ok {
		name, rest, _ := strings.Cut(tag, ",")
		keyName, valueName, _ = strings.Cut(rest, ",")
		return name, keyName, valueName
	}
	if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
		return name, "", ""
	}
	return field.Name, "", ""
}

// encodeQuery returns the XML answer to action: out is a pointer to one of the output
// structs.
func encodeQuery(action string, out any, requestID string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?>\n<%sResponse xmlns=%q>", action, queryNamespace)
	if v := reflect.ValueOf(out).Elem(); v.NumField() > 0 {
		fmt.Fprintf(&b, "<%sResult>", action)
		writeFields(&b, v)
		fmt.Fprintf(&b, "</%sResult>", action)
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>\n", requestID, action)
	return b.Bytes()
}

// encodeQueryFailure returns the XML answer for a failure.
func encodeQueryFailure(f *failure, requestID string) []byte {
	kind := "Sender"
	if !f.sender() {
		kind = "Receiver"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=%q><Error><Type>%s</Type>", queryNamespace, kind)
	writeElement(&b, "Code", f.code)
	writeElement(&b, "Message", f.message)
	fmt.Fprintf(&b, "<Detail/></Error><RequestId>%s</RequestId></ErrorResponse>\n", requestID)
	return b.Bytes()
}

func writeFields(b *bytes.Buffer, v reflect.Value) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		if field.Anonymous || !field.IsExported() {
			continue
		}
		name, keyName, valueName := queryNames(field)
		writeValue(b, name, keyName, valueName, v.FieldByIndex(field.Index))
	}
}

func writeValue(b *bytes.Buffer, name, keyName, valueName string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.String() != "" {
			writeElement(b, name, v.String())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			writeValue(b, name, keyName, valueName, v.Elem())
		}
	case reflect.Struct:
		fmt.Fprintf(b, "<%s>", name)
		writeFields(b, v)
		fmt.Fprintf(b, "</%s>", name)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() > 0 {
				writeElement(b, name, base64.StdEncoding.EncodeToString(v.Bytes()))
			}
			return
		}
		for i := range v.Len() {
			writeValue(b, name, "", "", v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		for _, key := range keys {
			fmt.Fprintf(b, "<%s>", name)
			writeElement(b, keyName, key.String())
			writeValue(b, valueName, "", "", v.MapIndex(key))
			fmt.Fprintf(b, "</%s>", name)
		}
	default:
		writeElement(b, name, fmt.Sprint(v.Interface()))
	}
}

func writeElement(b *bytes.Buffer, name, text string) {
	fmt.Fprintf(b, "<%s>", name)
	// Writing to a bytes.Buffer does not fail.
	_ = xml.EscapeText(b, []byte(text))
	fmt.Fprintf(b, "</%s>", name)
}
