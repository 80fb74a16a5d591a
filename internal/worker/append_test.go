package worker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// What a request asks for is the same whether its header was seen before or not.
func TestHeaders(t *testing.T) {
	var h headers
	for i := range 2 * mostHeaders {
		want := wire.Append{
			Account: schema.AccountID(fmt.Sprint("c-", i)), MaxBytes: 5,
			Table: schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: "A", Type: schema.Long}}},
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := h.read(string(text)); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %+v, %v", text, got, err)
			}
		}
		if len(h.all) > mostHeaders {
			t.Fatalf("%d are kept", len(h.all))
		}
	}
	if _, err := h.read(`{"account":`); err == nil {
		t.Error("half a header was read")
	}
}
