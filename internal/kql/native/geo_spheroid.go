package native

import (
	"math"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"
)

// The spheroid of WGS 84: its half axis at the equator in meters, its
// flattening, and its half axis at the poles.
const (
	equator    = 6378137.0
	flattening = 1 / 298.257223563
	polar      = equator * (1 - flattening)
)

// flattened is the latitude on the sphere around the spheroid at which a place
// of the given latitude lies, as sine and cosine.
func flattened(latitude float64) (sin, cos float64) {
	return math.Sincos(math.Atan((1 - flattening) * math.Tan(latitude)))
}

// vincentySeries are the terms of Vincenty's formulae for the squared second
// excentricity along a line.
func vincentySeries(u float64) (a, b float64) {
	return 1 + u/16384*(4096+u*(-768+u*(320-175*u))), u / 1024 * (256 + u*(-128+u*(74-47*u)))
}

// bend is what an arc on the sphere lacks of that on the spheroid.
func bend(b, sin, cos, mid float64) float64 {
	return b * sin * (mid + b/4*(cos*(2*mid*mid-1)-b/6*mid*(4*sin*sin-3)*(4*mid*mid-3)))
}

// vincenty is the length of the shortest line between two places on the
// spheroid, and its direction at the first, by Vincenty's inverse formula. It
// does not converge where the places are nearly opposite.
func vincenty(p, q s2.LatLng) (length, direction float64, ok bool) {
	dlng := math.Remainder((q.Lng - p.Lng).Radians(), 2*math.Pi)
	sin1, cos1 := flattened(p.Lat.Radians())
	sin2, cos2 := flattened(q.Lat.Radians())
	lambda := dlng
	for range 200 {
		sl, cl := math.Sincos(lambda)
		y, x := cos2*sl, cos1*sin2-sin1*cos2*cl
		sin := math.Hypot(y, x)
		if sin == 0 {
			return 0, 0, sin1 == sin2
		}
		cos := sin1*sin2 + cos1*cos2*cl
		sigma := math.Atan2(sin, cos)
		alpha := cos1 * cos2 * sl / sin
		cos2alpha := 1 - alpha*alpha
		mid := 0.0
		if cos2alpha != 0 {
			mid = cos - 2*sin1*sin2/cos2alpha
		}
		c := flattening / 16 * cos2alpha * (4 + flattening*(4-3*cos2alpha))
		next := dlng + (1-c)*flattening*alpha*(sigma+c*sin*(mid+c*cos*(2*mid*mid-1)))
		if math.Abs(next-lambda) < 1e-13 {
			a, b := vincentySeries(cos2alpha * (equator*equator - polar*polar) / (polar * polar))
			return polar * a * (sigma - bend(b, sin, cos, mid)), math.Atan2(y, x), true
		}
		if lambda = next; math.Abs(lambda) > math.Pi {
			break
		}
	}
	return 0, 0, false
}

// spheroidDistance is the length in meters of the shortest line between two
// places. Where they are nearly opposite, it goes through the best point of
// the circle that lies a quarter of the earth around the first.
func spheroidDistance(p, q s2.LatLng) float64 {
	if d, _, ok := vincenty(p, q); ok {
		return d
	}
	from := s2.PointFromLatLng(p)
	side := s2.Point{Vector: from.Ortho()}
	up := s2.Point{Vector: from.Cross(side.Vector)}
	through := func(angle float64) float64 {
		sin, cos := math.Sincos(angle)
		w := s2.LatLngFromPoint(s2.Point{Vector: side.Mul(cos).Add(up.Mul(sin))})
		a, _, _ := vincenty(p, w)
		b, _, _ := vincenty(w, q)
		return a + b
	}
	const steps = 72
	best := 0.0
	for i := range steps {
		if a := 2 * math.Pi * float64(i) / steps; through(a) < through(best) {
			best = a
		}
	}
	return through(least(best-2*math.Pi/steps, best+2*math.Pi/steps, through))
}

// least is where a function that falls and then rises is least.
func least(low, high float64, f func(float64) float64) float64 {
	for range 60 {
		a, b := low+(high-low)*0.382, high-(high-low)*0.382
		if f(a) < f(b) {
			high = b
		} else {
			low = a
		}
	}
	return (low + high) / 2
}

// along is the place at a distance from p in a direction, by Vincenty's direct formula.
func along(p s2.LatLng, direction, length float64) s2.LatLng {
	sin1, cos1 := flattened(p.Lat.Radians())
	sd, cd := math.Sincos(direction)
	sigma1 := math.Atan2(sin1, cos1*cd)
	alpha := cos1 * sd
	cos2alpha := 1 - alpha*alpha
	a, b := vincentySeries(cos2alpha * (equator*equator - polar*polar) / (polar * polar))
	sigma := length / (polar * a)
	for range 100 {
		sin, cos := math.Sincos(sigma)
		next := length/(polar*a) + bend(b, sin, cos, math.Cos(2*sigma1+sigma))
		if math.Abs(next-sigma) < 1e-14 {
			break
		}
		sigma = next
	}
	sin, cos := math.Sincos(sigma)
	mid := math.Cos(2*sigma1 + sigma)
	x := sin1*sin - cos1*cos*cd
	lat := math.Atan2(sin1*cos+cos1*sin*cd, (1-flattening)*math.Hypot(alpha, x))
	lambda := math.Atan2(sin*sd, cos1*cos-sin1*sin*cd)
	c := flattening / 16 * cos2alpha * (4 + flattening*(4-3*cos2alpha))
	lng := lambda - (1-c)*flattening*alpha*(sigma+c*sin*(mid+c*cos*(2*mid*mid-1)))
	return s2.LatLng{Lat: s1.Angle(lat), Lng: p.Lng + s1.Angle(lng)}
}

// spheroidLocate is the fraction of a line whose edges are shortest lines on
// the spheroid at which it is nearest to a place.
func spheroidLocate(line s2.Polyline, p s2.LatLng) (any, error) {
	best, at, sum := math.Inf(1), 0.0, 0.0
	for i := 1; i < len(line); i++ {
		from := s2.LatLngFromPoint(line[i-1])
		length, direction, ok := vincenty(from, s2.LatLngFromPoint(line[i]))
		if !ok {
			return nil, nil // an edge between opposite places goes nowhere in particular
		}
		away := func(d float64) float64 { return spheroidDistance(along(from, direction, d), p) }
		d := least(0, length, away)
		for _, d := range [...]float64{d, 0, length} {
			if w := away(d); w < best {
				best, at = w, sum+d
			}
		}
		sum += length
	}
	if sum == 0 {
		return 0.0, nil
	}
	return at / sum, nil
}
