package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/resource"
)

// populous is a plane with 10,000 collection endpoints.
func populous(b *testing.B) (*plane, http.Handler, string) {
	b.Helper()
	p := openPlane(b)
	h := New(p.deps)
	p.makeGroup(b, h)
	group := resource.GroupID(p.admin.SubscriptionID, "rg")
	err := p.catalog.Tx(b.Context(), func(tx *catalog.Tx) error {
		for i := range 10000 {
			id := group.Resource("Microsoft.Insights/dataCollectionEndpoints", fmt.Sprintf("e-%d", i))
			_, err := tx.Put(b.Context(), catalog.Resource{ID: id.String(), Type: string(id.Type()), Name: id.Name(), Location: "westeurope", Tenant: p.admin.TenantID,
				Body: []byte(`{"immutableId":"dce-x","label":"e","network":"Enabled"}`)}, catalog.Always())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return p, h, group.String()
}

func BenchmarkRead(b *testing.B) {
	p, h, group := populous(b)
	token := "Bearer " + p.token(b, p.admin.ObjectID, "https://localhost:8443/")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest("GET", fmt.Sprintf("%s/providers/Microsoft.Insights/dataCollectionEndpoints/e-%d?api-version=2023-03-11", group, i%10000), nil)
		r.Host = "localhost:8443"
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	p, h, group := populous(b)
	token := "Bearer " + p.token(b, p.admin.ObjectID, "https://localhost:8443/")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest("PATCH", fmt.Sprintf("%s/providers/Microsoft.Insights/dataCollectionEndpoints/e-%d?api-version=2023-03-11", group, i%10000), strings.NewReader(`{"tags":{"a":"b"}}`))
		r.Host = "localhost:8443"
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
