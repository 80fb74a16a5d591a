package segment

import (
	"encoding/json"
	"strings"
)

// unflatten reads a list of flat objects as encode writes them: with exactly these
// names in this order, and texts without a backslash. Each is given to put with the
// texts, which are part of text. It is what every query reads of every segment, and a
// tenth of the work of package json; text of any other form is for that to judge.
func unflatten(text string, names []string, put func(values []string) error) (ok bool, err error) {
	rest, ok := strings.CutPrefix(text, "[")
	values := make([]string, len(names))
	for ok && err == nil {
		for i, name := range names {
			open := `,"`
			if i == 0 {
				open = `{"`
			}
			if rest, ok = strings.CutPrefix(rest, open); !ok {
				return false, nil
			}
			if rest, ok = strings.CutPrefix(rest, name); !ok {
				return false, nil
			}
			if rest, ok = strings.CutPrefix(rest, `":"`); !ok {
				return false, nil
			}
			end := plainEnd(rest)
			if end < 0 {
				return false, nil
			}
			values[i], rest = rest[:end], rest[end+1:]
		}
		err = put(values)
		if rest == "}]" {
			return true, err
		}
		rest, ok = strings.CutPrefix(rest, "},")
	}
	return false, err
}

// plainEnd is where the quote is that ends a text of ASCII without escapes; -1 if it is
// another text.
func plainEnd(s string) int {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			return i
		case c < ' ' || c == '\\' || c > '~':
			return -1
		}
	}
	return -1
}

// decodeList reads a list that encode wrote, of objects with these names.
func decodeList[T any](text string, names []string, make func(values []string) (T, error)) (list []T, err error) {
	ok, err := unflatten(text, names, func(values []string) error {
		one, err := make(values)
		list = append(list, one)
		return err
	})
	if ok && err == nil {
		return list, nil
	}
	list = nil
	return list, json.Unmarshal([]byte(text), &list)
}
