package bucket

import (
	"context"
	"fmt"
)

// importPart is how long the parts are of a growing file that comes as a whole.
const importPart = 8 << 20

// Import puts a file of an account that nobody writes, as a Folder shows it then:
// name is below the account's folder. Whoever imports twice must have removed what
// the first time has left.
func Import(ctx context.Context, b Bucket, account, name string, body []byte) error {
	full := account + "/" + name
	if err := CheckName(full); err != nil {
		return fmt.Errorf("import %q: %w", name, err)
	}
	if !grows(name) {
		return b.Put(ctx, full, body)
	}
	for at := 0; at == 0 || at < len(body); at += importPart {
		if err := b.Put(ctx, partName(full, int64(at)), encodePart(body[at:min(len(body), at+importPart)])); err != nil {
			return err
		}
	}
	return nil
}
