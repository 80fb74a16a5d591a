package worker

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"logkeep/internal/duck"
	"logkeep/internal/fault"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// maxQuery bounds a query request: its text and the schemas of a workspace.
const maxQuery = 64 << 20

// A sourcing is where the rows of one query come from.
type sourcing interface {
	// expect has accounts opened, if they are not: shelf will be asked for them.
	expect(ids ...schema.AccountID)
	// shelf returns an account's rows, once all are there that were acknowledged
	// before the query.
	shelf(ctx context.Context, id schema.AccountID) (shelf, error)
	// again is told that something of an account was not there any more. After
	// nil, new snapshots have what is there instead; else the query fails.
	again(ctx context.Context, id schema.AccountID, cause error) error
	// texts opens all texts or none.
	texts(ctx context.Context, r wire.OpenTexts) ([][]byte, error)
}

// A shelf is where an account's rows are taken from.
type shelf interface {
	Snapshot(workspace schema.WorkspaceID, table schema.TableName, from, to schema.Ticks) *store.Snapshot
}

// serveQuery answers one query with the body that the client gets. begin is
// called before the query is compiled: what can be done beside that may be.
func (w *base) serveQuery(begin func(context.Context, wire.Query) sourcing) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var q wire.Query
		if err := json.NewDecoder(io.LimitReader(r.Body, maxQuery)).Decode(&q); err != nil {
			w.refuse(rw, fault.New(fault.InvalidRequestContent, "The keeper's request could not be read.").Because(err))
			return
		}
		header := func() { rw.Header().Set("Content-Type", "application/json; charset=utf-8") }
		outlet := newOutlet(rw, header)
		out, err := w.query(r.Context(), q, begin(r.Context(), q), outlet)
		if outlet.begun() {
			if err == nil {
				outlet.put(out.Bytes())
			}
			if err = errors.Join(err, outlet.close()); err != nil {
				if r.Context().Err() == nil {
					w.log.Error("an answer ended before it was whole", "error", err.Error())
				}
				panic(http.ErrAbortHandler) // so that nobody takes it for whole
			}
			return
		}
		if wanted, ok := errors.AsType[*wire.Wanted](err); ok {
			rw.WriteHeader(wire.StatusWanted)
			json.NewEncoder(rw).Encode(wanted)
			return
		}
		if err != nil {
			w.refuse(rw, queryFault(err))
			return
		}
		header()
		rw.Write(out.Bytes())
	}
}

// query answers with what the outlet, if there is one, was not given already.
func (w *base) query(ctx context.Context, q wire.Query, from sourcing, to *outlet) (*rendering, error) {
	begin := time.Now()
	cat := catalogOf(ctx, q, from)
	program, err := kql.Compile(q.Text, cat, kql.Options{Now: q.Now, From: q.From, To: after(q.To), Parameters: q.Parameters, External: q.External, Weights: true,
		Ask: func(p *kql.Program) ([][]string, error) { return w.ask(ctx, q, p, from) }})
	if cat.err != nil { // else a function of the workspace would be an unknown one
		return nil, cat.err
	}
	if err != nil {
		return nil, err
	}
	if err := allowed(q, program, cat.saved); err != nil {
		return nil, err
	}
	compiled := time.Now()
	out := &rendering{maxRows: q.MaxRows, maxSize: q.MaxBytes, form: formOf(q.Form, begin), outlet: to}
	if err := out.form.start(out, program.Render); err != nil {
		return nil, err
	}
	var spent effort
	for i, p := range append([]*kql.Program{program}, program.More...) {
		if err := w.answer(ctx, q, p, i, out, from, &spent, i == len(program.More)); err != nil {
			return nil, err
		}
		if out.cut != "" {
			break // the rest would not be there either
		}
	}
	extra := map[string]any{}
	if q.Statistics {
		extra["statistics"] = map[string]any{"query": map[string]any{
			"executionTime":     time.Since(begin).Seconds(),
			"datasetStatistics": out.sizes,
			"compileTime":       compiled.Sub(begin).Seconds(),
			"openTime":          spent.opening.Seconds(),
			"rowCount":          out.total,
			"storage":           spent.use,
		}}
	}
	if q.Render {
		extra["render"] = visualization(program.Render)
	}
	return out, out.form.end(out, extra)
}

// formOf is how an answer that begins now is written.
func formOf(f wire.Form, now time.Time) form {
	switch f {
	case wire.FormKusto1:
		return newKusto1(now)
	case wire.FormKusto2, wire.FormKustoFragments:
		return newKusto2(now, f == wire.FormKustoFragments)
	}
	return apiForm{}
}

// An effort is what a query cost beside the engine's work.
type effort struct {
	opening time.Duration // until rows were there for the engine
	use     wire.Use
}

// answer adds one result of a query to the rendering. The rows of the last one may flow
// as soon as the engine is through with them.
func (w *base) answer(ctx context.Context, q wire.Query, p *kql.Program, number int, out *rendering, from sourcing, spent *effort, last bool) error {
	return persist(ctx, from, func() error { return w.tryAnswer(ctx, q, p, number, out, from, spent, last) })
}

// persist does something again for as long as what fails of it was replaced.
func persist(ctx context.Context, from sourcing, do func() error) error {
	for {
		err := do()
		gone, ok := errors.AsType[*goneError](err)
		if !ok {
			return err
		}
		if err := from.again(ctx, gone.account, gone.cause); err != nil {
			return err
		}
	}
}

func (w *base) tryAnswer(ctx context.Context, q wire.Query, p *kql.Program, number int, out *rendering, from sourcing, spent *effort, last bool) error {
	r, err := w.sources(ctx, q, p, from)
	defer r.release()
	if err != nil {
		return err
	}
	for _, since := range r.tries() {
		rows, err := w.run(ctx, p, r, since, spent)
		if err != nil {
			return err
		}
		before := out.mark()
		out.flows = last && since == 0
		err = out.fill(resultName(p.Name, number), p.Columns, rows)
		rows.Close()
		if err != nil {
			return err
		}
		if since == 0 || out.cut != "" || int64(out.rows) >= p.Newest.Rows {
			break
		}
		out.undo(before)
	}
	return nil
}

// run asks the engine for what the program answers of a reading. Where late rows
// may do, those before since are left out.
func (w *base) run(ctx context.Context, p *kql.Program, r *reading, since schema.Ticks, spent *effort) (*duck.Rows, error) {
	begin := time.Now()
	relations, err := r.relations(ctx, since, &spent.use)
	if err != nil {
		return nil, err
	}
	text, args := p.Statement(func(s kql.Source) string { return relations[s.Relation] })
	spent.opening += time.Since(begin)
	engine, err := w.engine()
	if err != nil {
		return nil, err
	}
	return w.turns.take(ctx, func() (*duck.Rows, error) { return engine.Query(ctx, text, args) })
}

// ask answers the compiler's question about what the data hold.
func (w *base) ask(ctx context.Context, q wire.Query, p *kql.Program, from sourcing) (out [][]string, err error) {
	err = persist(ctx, from, func() (err error) {
		out, err = w.tryAsk(ctx, q, p, from)
		return err
	})
	return out, err
}

func (w *base) tryAsk(ctx context.Context, q wire.Query, p *kql.Program, from sourcing) ([][]string, error) {
	r, err := w.sources(ctx, q, p, from)
	defer r.release()
	if err != nil {
		return nil, err
	}
	rows, err := w.run(ctx, p, r, 0, &effort{})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]string
	cells := make([]driver.Value, len(p.Columns))
	for {
		if err := rows.Next(cells); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i], _ = c.(string)
		}
		out = append(out, row)
	}
}

// resultName is what a result is called in the answer.
func resultName(given string, number int) string {
	switch {
	case number == 0:
		return "PrimaryResult"
	case given != "":
		return given
	}
	return "Table_" + strconv.Itoa(number)
}

// tables is a workspace's tables as the compiler looks them up.
type tables []schema.Table

// Table implements kql.Catalog.
func (t tables) Table(name string) (schema.Table, bool) {
	for _, x := range t {
		if string(x.Name) == name {
			return x, true
		}
	}
	return schema.Table{}, false
}

// Tables implements kql.Catalog.
func (t tables) Tables() []string {
	out := make([]string, len(t))
	for i, x := range t {
		out[i] = string(x.Name)
	}
	return out
}

// openEngine starts the query engine.
func openEngine(memory int64) (*duck.DB, error) {
	var functions []duck.Function
	for _, n := range kql.Natives() {
		functions = append(functions, duck.Function(n))
	}
	return duck.Open(duck.Config{MemoryLimit: memory, Functions: functions})
}

// The query API and the store include the end of a time range, the compiler
// does not. 0 is an open end for all.
func after(t schema.Ticks) schema.Ticks  { return t + min(t, 1) }
func before(t schema.Ticks) schema.Ticks { return t - min(t, 1) }

// queryFault words for the client why its query was not answered.
func queryFault(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if d, ok := errors.AsType[kql.Diagnostics](err); ok {
		return badQuery(d)
	}
	if damagedBy(err) != nil {
		return damageFault(err)
	}
	if limit, ok := errors.AsType[*segment.LimitError](err); ok {
		return fault.New(fault.QueryLimitsExceeded, "The query reads more than the server keeps decrypted at a time. Narrow its time range or select fewer columns.").Because(limit)
	}
	switch {
	case errors.Is(err, duck.ErrMemory):
		return fault.New(fault.QueryLimitsExceeded, "%s.", sentence(string(duck.ErrMemory))).Because(err)
	case errors.Is(err, duck.ErrData):
		return fault.New(fault.BadArgument, "%s.", sentence(err.Error())).Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.QueryTimeout, "The query took longer than the wait that was asked for. Narrow it, or ask for a longer wait with Prefer: wait=600.").Because(err)
	case errors.Is(err, context.Canceled):
		return fault.New(fault.QueryTimeout, "The query was cancelled.").Because(err)
	}
	return fault.Of(err)
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
