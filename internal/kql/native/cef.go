package native

import "strings"

// cefHeader are the fields before the extension of a message in the Common
// Event Format, in their order.
var cefHeader = []string{"Version", "DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Name", "Severity"}

// ParseCEF is parse_cef_dictionary: a message in the Common Event Format as a
// bag of its header's fields and, as Extension, a bag of what its extension
// says. A text without header is an extension.
//
//	[syslog] CEF:0|vendor|product|version|id|name|severity|key=value key=value …
//
// A header escapes | and \, an extension = and \ and line ends. A value goes up
// to the next word that ends in =.
func ParseCEF(a []any) (any, error) {
	text, out := a[0].(string), Value{Kind: Bag}
	if at := strings.Index(text, "CEF:"); at >= 0 {
		text = text[at+len("CEF:"):]
		for _, name := range cefHeader {
			var field string
			var more bool
			if field, text, more = cefField(text); !more && name != "Severity" {
				return nil, nil
			}
			out.set(name, str(field))
		}
	}
	extension := Value{Kind: Bag}
	for key, rest := cefKey(text); key != ""; {
		value, next, after := cefValue(rest)
		extension.set(key, str(value))
		key, rest = next, after
	}
	out.set("Extension", extension)
	return out.out()
}

// cefField cuts a header's field off; more tells whether a bar ended it.
func cefField(text string) (field, rest string, more bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '|':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text) && (text[i+1] == '|' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", false
}

// cefKey finds the first key of an extension; "" if there is none.
func cefKey(text string) (key, rest string) {
	before, after, ok := strings.Cut(text, "=")
	if !ok {
		return "", ""
	}
	before = strings.TrimSpace(before)
	return before[strings.LastIndexByte(before, ' ')+1:], after
}

// cefValue cuts a value off, which ends before the next key.
func cefValue(text string) (value, key, rest string) {
	end := len(text)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if text[i] != '=' {
			continue
		}
		if space := strings.LastIndexByte(text[:i], ' '); space >= 0 && space+1 < i {
			end, key, rest = space, text[space+1:i], text[i+1:]
			break
		}
	}
	return cefUnescape.Replace(strings.TrimRight(text[:end], " ")), key, rest
}

var cefUnescape = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r", `\|`, `|`)
