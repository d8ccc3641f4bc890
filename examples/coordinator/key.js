// Idempotency keys: one for each content, until what is asked has succeeded. A double click, or another try after an answer was
// lost, sends the key again; a changed content gets a new one.

export function keys() {
	const made = new Map();
	return {
		of(name, values) {
			const content = JSON.stringify([name, values]);
			if (!made.has(content))
				made.set(content, crypto.randomUUID());
			return made.get(content);
		},
		succeeded() {
			made.clear();
		},
	};
}
