package worker

import (
	"fmt"

	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/worker/wire"
)

// textKind is part of what texts are bound to: never change it.
const textKind = "catalog-text"

func (a *account) textPlace(w schema.WorkspaceID, place string) seal.Place {
	return seal.Place{Tenant: a.info.Tenant, Cluster: a.info.Cluster, Workspace: w, Kind: textKind, Object: place}
}

// sealText seals a text that the catalog keeps for a workspace.
func (w *Worker) sealText(r wire.SealText) (s wire.SealedText, err error) {
	defer clear(r.Text)
	a, err := w.account(r.Account)
	if err != nil {
		return s, err
	}
	keys, err := a.chain.newest()
	if err != nil {
		return s, err
	}
	sealed, _, err := seal.SealMessage(keys, a.textPlace(r.Workspace, r.Place), r.Text)
	if err != nil {
		return s, fmt.Errorf("seal a text of workspace %s: %w", r.Workspace, err)
	}
	return wire.SealedText{Account: r.Account, Generation: keys.Generation, Sealed: sealed.AppendTo(nil)}, nil
}

// openTexts opens all or none.
func (w *Worker) openTexts(r wire.OpenTexts) ([][]byte, error) {
	texts := make([][]byte, len(r.Texts))
	for i, t := range r.Texts {
		a, err := w.account(t.Account)
		if err != nil {
			return nil, err
		}
		keys, err := a.chain.sealing(t.Generation)
		if err != nil {
			return nil, err
		}
		if texts[i], _, err = seal.OpenMessage(keys, a.textPlace(r.Workspace, t.Place), t.Sealed); err != nil {
			return nil, fmt.Errorf("open the text %s of workspace %s: %w", t.Place, r.Workspace, err)
		}
	}
	return texts, nil
}
