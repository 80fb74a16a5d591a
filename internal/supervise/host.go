package supervise

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"logkeep/internal/bucket/courier"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/wire"
)

// hostFace is what one worker can ask of the keeper. Each worker has a channel
// of its own, so nothing that it says of itself has to be believed.
func (s *Supervisor) hostFace(h Holding, objects http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", answer(func(ctx context.Context, r wire.TokenRequest) (any, error) {
		return s.cfg.Host.Token(ctx, h.Clusters, r)
	}))
	if h.Reads {
		mux.HandleFunc("POST /account", answer(func(ctx context.Context, id schema.AccountID) (any, error) {
			return s.cfg.Host.Account(ctx, h, id)
		}))
		mux.HandleFunc("POST /manifest", answer(func(ctx context.Context, of wire.ManifestOf) (any, error) {
			m, err := s.cfg.Host.Manifest(ctx, h, of)
			if err != nil {
				return nil, err
			}
			return m.Parts()
		}))
	} else {
		mux.HandleFunc("POST /commit", answer(func(ctx context.Context, c wire.Commit) (any, error) {
			return struct{}{}, s.cfg.Host.Commit(ctx, h.Clusters[0], c)
		}))
		mux.HandleFunc("POST /spoolkey", answer(func(ctx context.Context, k wire.SpoolKey) (any, error) {
			return struct{}{}, s.cfg.Host.SpoolKey(ctx, h.Clusters[0], k)
		}))
		mux.HandleFunc("POST /spooled", answer(func(ctx context.Context, f wire.Spooled) (any, error) {
			return struct{}{}, s.cfg.Host.Spooled(ctx, h.Clusters[0], f)
		}))
	}
	if objects != nil {
		mux.Handle(courier.Path, objects)
		mux.Handle(courier.Path+"/", objects)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			tunnel.Serve(w, r, s.cfg.Policy.Dial)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// answer turns a function of values into a handler.
func answer[In any](f func(context.Context, In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil {
			err = fault.New(fault.InvalidRequestContent, "The worker's request could not be read.").Because(err)
		}
		var out any
		if err == nil {
			out, err = f(r.Context(), in)
		}
		if err != nil {
			status, text := wire.EncodeFault(err)
			w.WriteHeader(status)
			w.Write(text)
			return
		}
		if parts, ok := out.([][]byte); ok { // as they travel
			for _, p := range parts {
				w.Write(p)
			}
			return
		}
		json.NewEncoder(w).Encode(out)
	}
}
