// Package sample supplies rows to try a log store with: lines that Logkeep makes
// up (Generated), lines that this machine really wrote (Machine), and the rows
// of files that somebody gives (File). Rows are JSON objects, one each; the
// caller owns them.
//
// Generated and Machine share one table's shape (Columns). For other rows
// Infer finds the columns, and the names that must change on the way.
package sample

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/schema"
)

// Columns is the shape of the rows of Generated and Machine.
func Columns() []schema.Column {
	return []schema.Column{
		{Name: schema.TimeGenerated, Type: schema.DateTime},
		{Name: "Computer", Type: schema.String},
		{Name: "Source", Type: schema.String},
		{Name: "Level", Type: schema.String},
		{Name: "EventID", Type: schema.Int},
		{Name: "UserName", Type: schema.String},
		{Name: "SourceIP", Type: schema.String},
		{Name: "DurationMs", Type: schema.Real},
		{Name: "Message", Type: schema.String},
		{Name: "Properties", Type: schema.Dynamic},
	}
}

// A Line is one log line in the shape of Columns.
type Line struct {
	Time       time.Time
	Computer   string
	Source     string
	Level      string
	EventID    int
	UserName   string
	SourceIP   string
	DurationMs float64
	Message    string
	Properties jsontext.Value // absent if empty
}

// Row renders l as a JSON object. Bytes of a log that are no UTF-8 become U+FFFD.
func (l Line) Row() []byte {
	b := make([]byte, 0, 256+len(l.Message)+len(l.Properties))
	b = append(b, `{"TimeGenerated":"`...)
	b = l.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.9999999Z")
	b = append(b, '"')
	for _, field := range []struct{ name, value string }{
		{"Computer", l.Computer}, {"Source", l.Source}, {"Level", l.Level},
		{"UserName", l.UserName}, {"SourceIP", l.SourceIP}, {"Message", l.Message},
	} {
		if field.value != "" {
			b = append(append(append(b, `,"`...), field.name...), `":`...)
			b = appendString(b, field.value)
		}
	}
	if l.EventID != 0 {
		b = append(b, `,"EventID":`...)
		b = append(b, jsontext.Int(int64(l.EventID)).String()...)
	}
	if l.DurationMs != 0 {
		b = append(b, `,"DurationMs":`...)
		b = append(b, jsontext.Float(l.DurationMs).String()...)
	}
	if len(l.Properties) > 0 {
		b = append(b, `,"Properties":`...)
		b = append(b, l.Properties...)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	quoted, _ := jsontext.AppendQuote(b, s) // the error only tells of bytes that were replaced
	return quoted
}
