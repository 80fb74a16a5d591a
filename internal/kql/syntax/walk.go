package syntax

import "reflect"

// Walk calls f for n and for every node below it, in the order of the text,
// for as long as f wants what is below a node.
func Walk(n Node, f func(Node) bool) {
	if n != nil && f(n) {
		walk(reflect.ValueOf(n).Elem(), f)
	}
}

// walk looks for nodes in the fields of a node. It is for texts that people
// write, not for rows: that it is slow does not matter.
func walk(v reflect.Value, f func(Node) bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(Node); ok && reflect.ValueOf(n).Kind() == reflect.Pointer {
			Walk(n, f)
			return
		}
		walk(v.Elem(), f)
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), f)
			}
		}
	}
}
