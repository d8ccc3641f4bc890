// A form: one request at a time, and errors beside the fields that they are about.

import { button, element, say } from './dom.js';
import { Failure } from './failure.js';

let fields = 0;

function input({ name, label, type = 'text', options, required, value, ...rest }, id) {
	const properties = { id, name, required, 'aria-describedby': `${id}-error`, ...rest };
	if (options)
		return element('select', properties, options.map(([key, text]) => element('option', { value: key }, text)));
	if (type === 'textarea')
		return element('textarea', { rows: 2, ...properties });
	return element('input', { type, value, ...properties });
}

// fields: each with the name of its argument, a label, and the properties of its input. send: takes the values of those that
// are filled in; what it returns or shows is its own matter.
export function form({ label, fields: described, action, send, ...properties }) {
	const error = element('p', { class: 'error', role: 'alert' });
	const inputs = new Map();
	const submit = element('button', { type: 'submit' }, action);
	const rows = described.map((field) => {
		const id = `field-${++fields}`;
		const made = input(field, id);
		const message = element('span', { id: `${id}-error`, class: 'error' });
		inputs.set(field.name, { made, message });
		return element('div', { class: 'field' },
			element('label', { for: id }, field.label, field.required ? element('span', { 'aria-hidden': 'true' }, ' *') : ''), made, message);
	});

	function clear() {
		error.textContent = '';
		for (const { made, message } of inputs.values()) {
			made.removeAttribute('aria-invalid');
			message.textContent = '';
		}
	}

	function show(failure) {
		const field = inputs.get(failure.field);
		if (field) {
			field.made.setAttribute('aria-invalid', 'true');
			field.message.textContent = failure.text;
			field.made.focus();
		} else {
			error.textContent = failure.field ? `${failure.field}: ${failure.text}` : failure.text;
		}
	}

	async function submitted(event) {
		event.preventDefault();
		if (submit.disabled)
			return;
		clear();
		const values = {};
		for (const [name, { made }] of inputs)
			if (made.type === 'file' ? made.files.length : made.value.trim() !== '')
				values[name] = made.type === 'file' ? made.files[0] : made.value;
		submit.disabled = true;
		try {
			await send(values);
		} catch (failure) {
			if (!(failure instanceof Failure))
				throw failure;
			show(failure);
		} finally {
			submit.disabled = false;
		}
	}
	return element('form', { 'aria-label': label, onsubmit: submitted, ...properties }, rows, error, submit);
}

// A button that does something once at a time, and says beside itself why it could not.
export function actionButton(text, action, properties = {}) {
	const error = element('span', { class: 'error', role: 'alert' });
	const made = button(text, async () => {
		error.textContent = '';
		made.disabled = true;
		try {
			await action();
		} catch (failure) {
			if (!(failure instanceof Failure))
				throw failure;
			error.textContent = failure.text;
			say(failure.text);
		} finally {
			made.disabled = false;
		}
	}, properties);
	return element('span', {}, made, error);
}
