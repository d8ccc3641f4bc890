// A list that is read page by page.

import { button, element } from './dom.js';

// next: takes the rows that are there, and answers with those that follow, at most so many; show: makes the list of all rows.
export async function pager({ size, next, show, more }) {
	const shown = element('div');
	const further = button(more, () => load());
	let list = [];

	async function load() {
		further.disabled = true;
		try {
			const page = await next(list);
			list = [...list, ...page.filter((row) => !list.some((known) => known.uid === row.uid))];
			further.hidden = page.length < size;
			shown.replaceChildren(show(list));
		} finally {
			further.disabled = false;
		}
	}
	await load();
	return element('div', {}, shown, further);
}
