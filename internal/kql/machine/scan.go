package machine

import (
	"encoding/json"
	"fmt"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/schema"
)

// A Scan is the program of one scan.
type Scan struct {
	Cells    []schema.Type `json:"cells"`    // of each row, behind its number
	Kept     []int         `json:"kept"`     // cells that a step's state keeps, in the order of its first slots
	Declared []schema.Type `json:"declared"` // the further slots
	Defaults []*Node       `json:"defaults"` // of the declared values; constants
	Steps    []Step        `json:"steps"`
}

// A Step is one step of a Scan.
type Step struct {
	Optional bool     `json:"optional,omitempty"`
	Output   string   `json:"output,omitempty"` // "" and all, last, none
	Cond     *Node    `json:"cond"`
	Assign   []Assign `json:"assign,omitempty"`
}

// An Assign gives a declared value.
type Assign struct {
	Slot  int   `json:"slot"`
	Value *Node `json:"value"`
}

// Text is the program as the function gets it.
func (s *Scan) Text() (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

// mostText bounds the rows of one partition, in bytes of text.
const mostText = 256 << 20

// Natives lists the functions that the engine must offer.
func Natives() []builtin.Native {
	return []builtin.Native{{Name: "kqlmachine_scan", Params: []schema.Type{schema.Dynamic, schema.String}, Result: schema.Dynamic, Eval: runScan}}
}

// runScan takes an array of [number, cell…] and the text of a Scan. It answers
// an array of [number, match id, declared…], one for each row of the answer.
func runScan(args []any) (any, error) {
	rows, ok := args[0].(string)
	if !ok {
		return nil, nil
	}
	if len(rows) > mostText {
		return nil, fmt.Errorf("logkeep: scan looks at too many rows at a time; filter them or use partition by")
	}
	var s Scan
	text, _ := args[1].(string)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, err
	}
	for _, st := range s.Steps {
		st.Cond.ready()
		for _, a := range st.Assign {
			a.Value.ready()
		}
	}
	for _, d := range s.Defaults {
		d.ready()
	}
	list, ok := native.Parse(rows)
	if !ok {
		return nil, fmt.Errorf("internal error: the rows of scan can't be read")
	}
	m := newMatcher(&s)
	for _, row := range list.Items {
		if err := m.row(row.Items[0].Long, s.cells(row.Items[1:])); err != nil {
			return nil, err
		}
	}
	m.end()
	return "[" + strings.Join(m.out, ",") + "]", nil
}

// cells reads the cells of a row as the engine carries them.
func (s *Scan) cells(items []native.Value) []any {
	out := make([]any, len(s.Cells))
	for i, t := range s.Cells {
		out[i] = fromValue(t, items[i])
	}
	return out
}

func fromValue(t schema.Type, v native.Value) any {
	if v.Kind == native.Null {
		if t == schema.String {
			return ""
		}
		return nil
	}
	switch {
	case t == schema.Dynamic:
		return v.Text()
	case v.Kind == native.Bool:
		return v.Bool
	case v.Kind == native.Long && t == schema.Real:
		return float64(v.Long)
	case v.Kind == native.Long:
		return v.Long
	case v.Kind == native.Real:
		return v.Real
	}
	return fromText(t, v.Str)
}
