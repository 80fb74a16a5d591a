package worker

import (
	"strings"

	"logkeep/internal/kql"
)

// visualization is what a query says about drawing its answer, with a place
// for everything that it can say, as clients expect it.
func visualization(r *kql.Render) map[string]any {
	out := map[string]any{
		"visualization": nil, "title": nil, "accumulate": false, "isQuerySorted": false, "kind": nil, "legend": nil, "series": nil,
		"yMin": "NaN", "yMax": "NaN", "xAxis": nil, "xColumn": nil, "xTitle": nil, "yAxis": nil, "yColumns": nil, "ySplit": nil,
		"yTitle": nil, "anomalyColumns": nil,
	}
	if r == nil {
		return out
	}
	out["visualization"] = r.Visualization
	for name, value := range r.Properties {
		for known := range out {
			if !strings.EqualFold(known, name) {
				continue
			}
			switch known {
			case "accumulate":
				out[known] = strings.EqualFold(value, "true")
			case "series", "yColumns", "anomalyColumns":
				out[known] = strings.Split(value, ",")
			default:
				out[known] = value
			}
		}
	}
	return out
}

// properties is the same in the words of the Kusto protocol.
func properties(r *kql.Render) map[string]any {
	out := map[string]any{"Xmin": nil, "Xmax": nil}
	for name, value := range visualization(r) {
		switch name {
		case "yMin", "yMax":
			out["Y"+strings.ToLower(name[1:])] = value
		default:
			out[strings.ToUpper(name[:1])+name[1:]] = value
		}
	}
	return out
}
