package wire

import "logkeep/internal/schema"

// SealText asks for a text to be sealed with the newest key of an account, to
// be kept by the catalog. It opens at its place only. Path: /texts/seal.
// Answer: SealedText.
type SealText struct {
	Account   schema.AccountID   `json:"account"`
	Workspace schema.WorkspaceID `json:"workspace"`
	Place     string             `json:"place"`
	Text      []byte             `json:"text"`
}

// A SealedText says with which key it was sealed.
type SealedText struct {
	Account    schema.AccountID `json:"account"`
	Generation uint32           `json:"generation"`
	Sealed     []byte           `json:"sealed"`
}

// OpenTexts asks for texts of a workspace. Path: /texts/open. Answer: a list of
// texts in the same order.
type OpenTexts struct {
	Workspace schema.WorkspaceID `json:"workspace"`
	Texts     []PlacedText       `json:"texts"`
}

// A PlacedText is a sealed text and where it was found.
type PlacedText struct {
	SealedText
	Place string `json:"place"`
}
