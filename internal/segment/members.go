package segment

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// addMembers gives the file a column for each hot key of dynamic columns of which every
// value fits, and returns the cells of each group. Where objects are stored by templates,
// in all groups, they are found on the way; else objects are read.
func addMembers(ctx context.Context, file *parquet.Writer, groups []*parquet.Group, recs []arrow.RecordBatch, terms *termWriter) ([][]parquet.Further, error) {
	further := make([][]parquet.Further, len(groups))
	hot, err := batch.HotMembers(recs)
	if err != nil {
		return nil, err
	}
	made := make([][][]*parquet.Made, len(hot)) // by column, then by group: nil if objects are to be read
	read := make([]bool, len(hot))
	terms.early = true
	for _, g := range groups {
		for column, members := range hot {
			if len(members) == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cells, stored, err := g.Members(column, members)
			if err != nil {
				return nil, err
			}
			terms.setAside(column, stored)
			made[column] = append(made[column], cells)
			read[column] = read[column] || cells == nil
		}
	}
	terms.early = false
	var all []batch.Member
	for column, members := range hot {
		if len(members) == 0 {
			continue
		}
		if read[column] {
			kept, arrays, err := batch.Extract(members, recs, column)
			if err != nil {
				return nil, err
			}
			for i := range kept {
				for g := range groups {
					further[g] = append(further[g], parquet.Further{Arrays: arrays[i]})
				}
			}
			all = append(all, kept...)
			continue
		}
		for i, m := range members {
			fits := true
			for _, cells := range made[column] {
				fits = fits && cells[i].Fits
			}
			if !fits {
				continue
			}
			for g, cells := range made[column] {
				further[g] = append(further[g], parquet.Further{Made: cells[i]})
			}
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return further, nil
	}
	carriers := make([]schema.Column, len(all))
	for i, m := range all {
		carriers[i] = m.Carrier()
	}
	if err := file.Extend(carriers); err != nil {
		return nil, err
	}
	text, err := encode(all)
	if err != nil {
		return nil, err
	}
	return further, file.Pair(membersKey, text)
}
