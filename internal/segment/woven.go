package segment

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"logkeep/internal/parquet"
)

// rooms are where columns lie that are made plain, if they are not packed, behind all
// chunks of the segment, and where these end.
func (m *Image) rooms() (rooms map[int]parquet.PlainChunk, end int64) {
	rooms, end = map[int]parquet.PlainChunk{}, m.segment.end
	for i, c := range m.segment.footer.Groups[m.group].Chunks {
		if c.Templates {
			rooms[i] = parquet.PlainChunk{Offset: end, Size: c.Unpacked}
			end += c.Unpacked
		}
	}
	return rooms, end
}

// errRoom reports pages that take more room than the footer says.
var errRoom = fmt.Errorf("%w: a column is larger than its footer says", errDamaged)

// unweave makes a column plain and writes it to its room.
func (m *Image) unweave(ctx context.Context, column int) error {
	rooms, _ := m.rooms()
	room := rooms[column]
	err := m.plainTo(ctx, column, &room, m.pack[column])
	if errors.Is(err, errRoom) && m.pack[column] { // packing may make it larger, in theory
		err = m.plainTo(ctx, column, &room, false)
	}
	if err == nil && !room.Packed && room.Size != rooms[column].Size {
		err = errRoom
	}
	if err != nil {
		return damage(m.segment.id, m.segment.table, fmt.Errorf("read segment %s: %w", m.segment.id, err))
	}
	m.plainMu.Lock()
	defer m.plainMu.Unlock()
	m.plain[column] = room
	return nil
}

func (m *Image) plainTo(ctx context.Context, column int, room *parquet.PlainChunk, pack bool) error {
	at, err := m.segment.placeOf(m.group, column)
	if err != nil {
		return err
	}
	c := (&parquet.Desk{}).Column(at)
	defer c.Close()
	size := m.segment.footer.Groups[m.group].Chunks[column].Unpacked
	w := bufio.NewWriterSize(io.NewOffsetWriter(m.file, room.Offset), 256<<10)
	room.Size, room.Packed = 0, pack
	err = c.Plain(pack, func(b []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if room.Size += int64(len(b)); room.Size > size {
			return errRoom
		}
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write a file in memory: %w", err)
	}
	return nil
}

// inMemory is how many bytes a column of a row group takes in an image: as it is
// stored, or made plain, packed or not. What packing makes of texts that were stored
// by templates is less than twice of what they were.
func (s *Reader) inMemory(group, column int, pack bool) int64 {
	c := s.footer.Groups[group].Chunks[column]
	switch {
	case !c.Templates:
		return pages(c.Size)
	case pack:
		return pages(min(2*c.Size, c.Unpacked))
	}
	return pages(c.Unpacked)
}
