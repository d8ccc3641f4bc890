// A list that is read page by page.

import { element } from './dom.js';
import { actionButton } from './form.js';

// next: takes the rows that are there, and answers with those that follow, at most so many; show: makes the list of all rows;
// key: what no two rows have in common.
export async function pager({ size, next, show, more, key = (row) => row.uid }) {
	const shown = element('div');
	const further = actionButton(more, load);
	let list = [];

	async function load() {
		const page = await next(list);
		const known = new Set(list.map(key));
		list = [...list, ...page.filter((row) => !known.has(key(row)))];
		further.hidden = page.length < size;
		shown.replaceChildren(show(list));
	}
	await load();
	return element('div', {}, shown, further);
}
