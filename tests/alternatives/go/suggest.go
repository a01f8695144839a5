package main

import (
	"slices"
)

const candidates = 2000

// near is the keys most like one that is missing, nearest first, of the 2,000 oldest.
func near(s *space, key string, count int) []string {
	if count == 0 {
		return nil
	}
	type candidate struct {
		key      string
		distance int
	}
	found := []candidate{}
	for _, e := range s.order[:min(len(s.order), candidates)] {
		if d := distance([]rune(key), []rune(e.key)); d <= max(1, len(key)/2) {
			found = append(found, candidate{e.key, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	names := []string{}
	for _, c := range found[:min(len(found), count)] {
		names = append(names, c.key)
	}
	return names
}

// distance is how many runes are put in, left out or changed to make one text of the other (Levenshtein).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		above := row[0]
		row[0] = i + 1
		for j := range b {
			cost := above
			if a[i] != b[j] {
				cost = 1 + min(above, row[j], row[j+1])
			}
			above, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
