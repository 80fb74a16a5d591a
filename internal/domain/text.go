package domain

import (
	"context"

	"logkeep/internal/control"
	"logkeep/internal/worker/wire"
)

var _ control.Texts = (*Domains)(nil)

// SealText implements control.Texts: a text lies in the workspace's own account,
// which outlives every link. While the workspace is linked, or was, that account
// is open in the cluster's worker alone: with the cluster's key its texts go dark.
func (d *Domains) SealText(ctx context.Context, w control.Workspace, place string, text []byte) (control.SealedText, error) {
	g := d.gate(w.CustomerID)
	g.RLock()
	defer g.RUnlock()
	domain, err := d.domainOf(ctx, w.CustomerID)
	if err != nil {
		return control.SealedText{}, err
	}
	r := wire.SealText{Account: serviceAccount(w.CustomerID), Workspace: w.CustomerID, Place: place, Text: text}
	worker, err := d.sup.Worker(ctx, domain)
	if err != nil {
		return control.SealedText{}, d.keyFault(domain, err)
	}
	s, err := worker.SealText(ctx, r)
	return control.SealedText(s), d.keyFault(domain, err)
}

// OpenTexts implements control.Texts.
func (d *Domains) OpenTexts(ctx context.Context, w control.Workspace, places []string, sealed []control.SealedText) ([][]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	g := d.gate(w.CustomerID)
	g.RLock()
	defer g.RUnlock()
	domain, err := d.domainOf(ctx, w.CustomerID)
	if err != nil {
		return nil, err
	}
	r := wire.OpenTexts{Workspace: w.CustomerID}
	for i, s := range sealed {
		r.Texts = append(r.Texts, wire.PlacedText{SealedText: wire.SealedText(s), Place: places[i]})
	}
	worker, err := d.sup.Worker(ctx, domain)
	if err != nil {
		return nil, d.keyFault(domain, err)
	}
	texts, err := worker.OpenTexts(ctx, r)
	return texts, d.keyFault(domain, err)
}
