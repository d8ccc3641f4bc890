// The visits of a trial at a site: those that are due, and the appointments.

import { read, rows } from './api.js';
import { appointmentList } from './appointments.js';
import { element, heading, link, nothing, section, state, table } from './dom.js';
import { day, money, person } from './format.js';
import { pager } from './pager.js';
import { may, placeName, placeOf } from './places.js';

const PERSON = 'enrollment(uid,subject_id,patient(first_name,last_name))';
const PAGE = 100;
const EXPECTED = `enrollment_uid,code,milestone,amount,currency,due_on,earliest,latest,state,${PERSON}`;
const APPOINTMENTS = `uid,local_time,time_zone,description,status,milestone_code,${PERSON}`;

const PATIENT = ['Patient', ({ enrollment }) => enrollment &&
	link([enrollment.subject_id, person(enrollment.patient)].filter(Boolean).join(', '), 'patient', enrollment.uid)];

export async function visitsPage({ uid, reload }) {
	const place = placeOf(uid);
	if (!place)
		return nothing('This place is not there, or you may do nothing there.');
	// The next page of a table, in an order that does not change.
	const here = (name, select, known, order) => rows(order(read(name, select).eq('trial_uid', place.trial_uid).eq('site_uid', place.site_uid))
		.range(known.length, known.length + PAGE - 1));
	const [due, appointments] = await Promise.all([
		pager({
			size: PAGE,
			more: 'More due visits',
			next: (known) => here('expected_visit', EXPECTED, known, (request) => request.order('due_on').order('enrollment_uid').order('code')),
			key: (row) => `${row.enrollment_uid} ${row.code} ${row.due_on}`,
			show: (visits) => (visits.length === 0 ? nothing('No visits are due.') : table('Visits that are due', [
				PATIENT,
				['Visit', (row) => row.milestone],
				['Due', (row) => day(row.due_on)],
				['From', (row) => day(row.earliest)],
				['To', (row) => day(row.latest)],
				['Costs', (row) => money(row.amount, row.currency)],
				['State', (row) => state(row.state)],
			], visits)),
		}),
		pager({
			size: PAGE,
			more: 'More appointments',
			next: (known) => here('appointment', APPOINTMENTS, known, (request) => request.order('at', { ascending: false }).order('uid')),
			show: (list) => appointmentList(list, may('create_appointment', uid), reload, [PATIENT]),
		}),
	]);
	return element('div', {}, heading(1, `Visits: ${placeName(place)}`), section('Due', due), section('Appointments', appointments));
}
