// The visits of a trial at a site: those that are due, and the appointments.

import { read, rows } from './api.js';
import { appointmentList } from './appointments.js';
import { element, heading, link, nothing, section, state, table } from './dom.js';
import { day, money, person } from './format.js';
import { may, placeName, placeOf } from './places.js';

const PERSON = 'enrollment(uid,subject_id,patient(first_name,last_name))';
const EXPECTED = `milestone,amount,currency,due_on,earliest,latest,state,${PERSON}`;
const APPOINTMENTS = `uid,local_time,time_zone,description,status,milestone_code,${PERSON}`;

const PATIENT = ['Patient', ({ enrollment }) => enrollment &&
	link([enrollment.subject_id, person(enrollment.patient)].filter(Boolean).join(', '), 'patient', enrollment.uid)];

export async function visitsPage({ uid, reload }) {
	const place = placeOf(uid);
	if (!place)
		return nothing('This place is not there, or you may do nothing there.');
	const here = (request) => request.eq('trial_uid', place.trial_uid).eq('site_uid', place.site_uid).limit(200);
	const [expected, appointments] = await Promise.all([
		rows(here(read('expected_visit', EXPECTED)).order('due_on')),
		rows(here(read('appointment', APPOINTMENTS)).order('at', { ascending: false })),
	]);
	return element('div', {},
		heading(1, `Visits: ${placeName(place)}`),
		section('Due', expected.length === 0 ? nothing('No visits are due.') : table('Visits that are due', [
			PATIENT,
			['Visit', (row) => row.milestone],
			['Due', (row) => day(row.due_on)],
			['From', (row) => day(row.earliest)],
			['To', (row) => day(row.latest)],
			['Costs', (row) => money(row.amount, row.currency)],
			['State', (row) => state(row.state)],
		], expected)),
		section('Appointments', appointmentList(appointments, may('create_appointment', uid), reload, [PATIENT])));
}
