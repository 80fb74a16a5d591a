package native

import (
	"strings"
	"sync"

	"github.com/ua-parser/uap-go/uaparser"
)

// agents knows user agents by the list that the language's own engine uses.
// Reading the list takes a while, so it happens once, at the first question.
var agents = sync.OnceValues(func() (*uaparser.Parser, error) { return uaparser.New() })

// ParseUserAgent is parse_user_agent(text, "browser" or "os" or "device" or an
// array of them); without the last all of them are looked for.
func ParseUserAgent(a []any) (any, error) {
	p, err := agents()
	if err != nil {
		return nil, err
	}
	text := a[0].(string)
	want := array([]Value{str("browser"), str("os"), str("device")})
	if a[1] != nil {
		if want = parse(a[1]); want.Kind != Array {
			want = array([]Value{want})
		}
	}
	out := Value{Kind: Bag}
	for _, w := range want.Items {
		switch strings.ToLower(w.String()) {
		case "browser":
			u := p.ParseUserAgent(text)
			out.set("Browser", texts("Family", u.Family, "MajorVersion", u.Major, "MinorVersion", u.Minor, "Patch", u.Patch))
		case "os":
			o := p.ParseOs(text)
			out.set("OperatingSystem", texts("Family", o.Family, "MajorVersion", o.Major, "MinorVersion", o.Minor, "Patch", o.Patch, "PatchMinor", o.PatchMinor))
		case "device":
			d := p.ParseDevice(text)
			out.set("Device", texts("Family", d.Family, "Brand", d.Brand, "Model", d.Model))
		}
	}
	return out.out()
}

// texts is a bag of names and texts in turn.
func texts(pairs ...string) Value {
	b := Value{Kind: Bag}
	for i := 0; i < len(pairs); i += 2 {
		b.Names, b.Items = append(b.Names, pairs[i]), append(b.Items, str(pairs[i+1]))
	}
	return b
}
