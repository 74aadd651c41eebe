package main

import "fmt"

// slack is how many messages a Go process may lose more than a Node.js one for each of the others: those of a second. When a client connects
// again is up to chance by as much.
const slack = 50

// verdict returns what is wrong with the outcomes of a run: nothing if there was no mixed cluster.
func verdict(all []outcome) []string {
	if len(all) != 2 {
		return nil
	}
	return judge(&all[0], &all[1])
}

// judge returns what is wrong with the outcome of a mixed cluster beside one of Node.js only.
func judge(mixed, nodeOnly *outcome) []string {
	var wrong []string
	among := nodeOnly.node(nodejs, nodejs)
	for _, f := range mixed.Flows {
		if f.From == nodejs && f.To != golang {
			continue
		}
		name := f.From + " → " + f.To
		if f.Duplicated+f.Reordered > 0 && f.From == golang {
			wrong = append(wrong, fmt.Sprintf("%s: %d duplicated, %d reordered", name, f.Duplicated, f.Reordered))
		}
		if f.To == ownClient && f.Lost > 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d lost", name, f.Lost))
		}
		theirs := among
		if f.To == nodejs { // the very ones that receive may have taken longer to come back
			theirs = max(among, mixed.node(nodejs, nodejs))
		}
		if f.Node > theirs+slack {
			wrong = append(wrong, fmt.Sprintf("%s: a process has lost %d for each other, where a Node.js one has lost %d", name, f.Node, theirs))
		}
		if f.Recovered < 0 && f.From == golang && f.To == golang {
			wrong = append(wrong, name+": has not recovered")
		}
	}
	return append(wrong, mixed.silent()...)
}

// node returns how many the process has lost for each other that has lost most, among such processes.
func (o *outcome) node(from, to string) int {
	for _, f := range o.Flows {
		if f.From == from && f.To == to {
			return f.Node
		}
	}
	return 0
}

// silent returns what Go nodes have lost in silence: messages of their own that another Go node has not got, more than those whose
// Emit returned an error, those for which that node was deaf, and those that observers have numbers of.
func (o *outcome) silent() []string {
	var wrong []string
	lost := 0
	for _, f := range o.Flows {
		if f.From == golang || f.To == golang {
			lost += f.Lost
		}
		if f.From == golang && f.To == golang && f.Silent > o.numbered() {
			wrong = append(wrong, fmt.Sprintf("%d lost between Go nodes without an error or a deaf receiver, while observers have numbers of %d",
				f.Silent, o.numbered()))
		}
	}
	if lost > 0 && len(o.Lines) == 0 {
		wrong = append(wrong, fmt.Sprintf("%d lost and no line in the log", lost))
	}
	return wrong
}

// numbered returns how many lost messages observers were told of.
func (o *outcome) numbered() int {
	sum := 0
	for i := range o.Outages {
		sum += int(o.Outages[i].Losses.Total())
	}
	return sum
}
