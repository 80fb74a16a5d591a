package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// A record is one line of a file.
type record map[string]any

func (r record) text(key string) string {
	s, _ := r[key].(string)
	return s
}

func (r record) is(key string) bool {
	b, _ := r[key].(bool)
	return b
}

func (r record) list(key string) []any {
	l, _ := r[key].([]any)
	return l
}

// each reads a file line by line. Numbers stay text.
func each(path string, f func(record) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		var r record
		if err := d.Decode(&r); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return lines.Err()
}
