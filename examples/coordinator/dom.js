// Elements. Whatever comes from the server becomes a text node: the policy of index.html forbids the rest.

export function element(tag, properties = {}, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name.startsWith('on'))
			made.addEventListener(name.slice(2), value);
		else if (value === true)
			made.setAttribute(name, '');
		else if (value !== false && value != null)
			made.setAttribute(name, value);
	}
	made.append(...children.flat().filter((child) => child != null && child !== false));
	return made;
}

export const heading = (level, text) => element(`h${level}`, {}, text);

export const link = (text, ...path) => element('a', { href: `#/${path.join('/')}` }, text);

export const button = (text, action, properties = {}) => element('button', { type: 'button', onclick: action, ...properties }, text);

export const section = (title, ...children) => element('section', {}, heading(2, title), ...children);

export const nothing = (text) => element('p', { class: 'nothing' }, text);

export const state = (status) => element('span', { class: `state ${status}` }, status.replaceAll('_', ' '));

// columns: pairs of a title and a function that makes the cell of a row. On a narrow screen a row becomes a card, and only the
// roles say that it is a row.
export function table(caption, columns, rows) {
	const cell = (row, [title, make]) => element('td', { role: 'cell', 'data-title': title }, make(row) ?? '–');
	return element('table', { role: 'table' },
		element('caption', {}, caption),
		element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, columns.map(([title]) => element('th', { role: 'columnheader', scope: 'col' }, title)))),
		element('tbody', { role: 'rowgroup' }, rows.map((row) => element('tr', { role: 'row' }, columns.map((column) => cell(row, column))))));
}

// Says something to everybody, also to those who do not see the screen.
export function say(text) {
	document.getElementById('status').textContent = text;
}
