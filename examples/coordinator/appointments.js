// Appointments of a patient: made, kept and missed; and visits that are reported as done.

import { change } from './api.js';
import { element, nothing, say, state, table } from './dom.js';
import { actionButton, form } from './form.js';
import { localTime, today } from './format.js';
import { keys } from './key.js';

const VISIT_STATES = {
	payable: 'It is in the list of what is to be paid.',
	payment_made: 'It is paid by the rules of the trial.',
	already_paid: 'It has been paid before.',
	unmatched: 'It does not fit anything yet; it is kept, and tried again.',
	waiting: 'It waits for funds.',
	not_owed: 'Nothing is owed for it.',
	conflict: 'A person has to decide.',
	closed: 'A person has decided.',
};

// more: further columns, to be shown first.
export function appointmentList(appointments, mayChange, changed, more = []) {
	const key = keys();
	const mark = (row, status) => actionButton(status === 'kept' ? 'Came' : 'Did not come', async () => {
		const values = { appointment_uid: row.uid, status };
		await change('set_appointment_status', values, key.of('set_appointment_status', values));
		key.succeeded();
		await changed();
		say(`The appointment is ${status}.`);
	});
	return appointments.length === 0 ? nothing('No appointments.') : table('Appointments', [
		...more,
		['Time', (row) => `${localTime(row.local_time)} (${row.time_zone})`],
		['Visit', (row) => row.milestone_code],
		['Description', (row) => row.description || null],
		['Status', (row) => state(row.status)],
		['Actions', (row) => mayChange && row.status !== 'cancelled' &&
			element('span', { class: 'actions' }, ['kept', 'missed'].filter((status) => status !== row.status).map((status) => mark(row, status)))],
	], appointments);
}

export function appointmentForm(enrollment, payable, changed) {
	const key = keys();
	return form({
		label: 'Make an appointment',
		fields: [
			{ name: 'datetime', label: 'Time, where the patient lives', type: 'datetime-local', required: true },
			{ name: 'milestone', label: 'Visit', options: [['', 'none'], ...payable.map((visit) => [visit.code, visit.milestone])] },
			{ name: 'description', label: 'Description' },
		],
		action: 'Make appointment',
		async send(values) {
			const appointment = { enrollment_uid: enrollment, ...values };
			await change('schedule_appointment', appointment, key.of('schedule_appointment', appointment));
			key.succeeded();
			await changed();
			say('The appointment is made.');
		},
	});
}

export function visitForm(enrollment, place, changed) {
	const key = keys();
	return form({
		label: 'Report a visit',
		fields: [
			{ name: 'visit_code', label: 'Visit', required: true },
			{ name: 'visit_date', label: 'Date', type: 'date', required: true, max: today(), value: today() },
			{ name: 'note', label: 'Note' },
		],
		action: 'Report visit',
		async send(values) {
			// Two trials of a client may have the same subject id.
			const visit = { source: 'coordinator', source_ref: `${enrollment.uid} ${values.visit_code} ${values.visit_date}`,
				protocol_id: place?.protocol_id, subject_id: enrollment.subject_id, ...values };
			const { state: became } = await change('visit_done', visit, key.of('visit_done', visit));
			key.succeeded();
			await changed();
			say(`The visit is reported. ${VISIT_STATES[became] ?? ''}`);
		},
	});
}
