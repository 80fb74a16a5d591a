package segment

import (
	"context"
	"fmt"
)

// Verify reads the whole segment: after nil every byte of it opens. What its
// footer says was checked when it was opened.
func (s *Reader) Verify(ctx context.Context) error {
	b := make([]byte, 1<<20)
	for off := int64(0); off < s.data.Size(); off += int64(len(b)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(int64(len(b)), s.data.Size()-off)
		if _, err := s.data.ReadAt(b[:n], off); err != nil {
			return damage(s.id, s.table, fmt.Errorf("read segment %s: %w", s.id, err))
		}
	}
	return nil
}

// Rows counts the rows of all groups.
func (s *Reader) Rows() (n int64) {
	for _, g := range s.groups {
		n += g.Rows
	}
	return n
}
