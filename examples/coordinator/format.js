// Values as people write them.

const days = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' });
const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const localTimes = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });

export function money(amount, currency) {
	if (amount == null)
		return null;
	return new Intl.NumberFormat('en', { style: 'currency', currency }).format(amount);
}

export const day = (value) => value && days.format(new Date(value));

export const moment = (value) => value && moments.format(new Date(value));

// A time without an offset, at the place of a visit.
export const localTime = (value) => value && localTimes.format(new Date(`${value}Z`));

export function size(bytes) {
	const [unit, name] = bytes < 1e3 ? [1, 'byte'] : bytes < 1e6 ? [1e3, 'kilobyte'] : [1e6, 'megabyte'];
	return new Intl.NumberFormat('en', { style: 'unit', unit: name, unitDisplay: 'long', maximumFractionDigits: 1 }).format(bytes / unit);
}

export const person = (row) => row && `${row.first_name} ${row.last_name}`.trim();

// Today, as an input of the type date has it.
export const today = () => new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 10);
