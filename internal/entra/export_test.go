package entra

import (
	"context"

	"github.com/go-jose/go-jose/v4"
)

type keysFunc func(context.Context) (jose.JSONWebKeySet, error)

func (f keysFunc) Keys(ctx context.Context) (jose.JSONWebKeySet, error) { return f(ctx) }

// NewOutsideOf is NewOutside for one issuer whose keys a test gives.
func NewOutsideOf(keys func(context.Context) (jose.JSONWebKeySet, error), t Trust) *Outside {
	o := NewOutside(nil, t)
	o.issuers[t.URL].keys.source = keysFunc(keys)
	return o
}
