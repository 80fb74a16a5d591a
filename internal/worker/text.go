package worker

import (
	"fmt"

	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/worker/wire"
)

// textKind is part of what texts are bound to: never change it.
const textKind = "catalog-text"

func textPlace(account wire.Account, w schema.WorkspaceID, place string) seal.Place {
	return seal.Place{Tenant: account.Tenant, Cluster: account.Cluster, Workspace: w, Kind: textKind, Object: place}
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
	sealed, _, err := seal.SealMessage(keys, textPlace(a.info, r.Workspace, r.Place), r.Text)
	if err != nil {
		return s, fmt.Errorf("seal a text of workspace %s: %w", r.Workspace, err)
	}
	return wire.SealedText{Account: r.Account, Generation: keys.Generation, Sealed: sealed.AppendTo(nil)}, nil
}

// openTexts opens all or none.
func (w *Worker) openTexts(r wire.OpenTexts) ([][]byte, error) {
	return openTexts(r, func(id schema.AccountID) (wire.Account, *chain, error) {
		a, err := w.account(id)
		if err != nil {
			return wire.Account{}, nil, err
		}
		return a.info, a.chain, nil
	})
}

// openTexts opens all or none, with the keys of accounts that of knows.
func openTexts(r wire.OpenTexts, of func(schema.AccountID) (wire.Account, *chain, error)) ([][]byte, error) {
	texts := make([][]byte, len(r.Texts))
	for i, t := range r.Texts {
		account, chain, err := of(t.Account)
		if err != nil {
			return nil, err
		}
		keys, err := chain.sealing(t.Generation)
		if err != nil {
			return nil, err
		}
		if texts[i], _, err = seal.OpenMessage(keys, textPlace(account, r.Workspace, t.Place), t.Sealed); err != nil {
			return nil, fmt.Errorf("open the text %s of workspace %s: %w", t.Place, r.Workspace, err)
		}
	}
	return texts, nil
}
