// Paying a visit that is payable now.

import { ask, change } from './api.js';
import { nothing, say } from './dom.js';
import { form } from './form.js';
import { money, today } from './format.js';
import { keys } from './key.js';

export const payableVisits = ({ patient_uid, trial_uid }) => ask('payable_milestones', { patient_uid, trial_uid });

export function payForm(enrollment, payable, paid) {
	if (payable.length === 0)
		return nothing('Nothing is to be paid now.');
	const key = keys();
	return form({
		label: 'Request a payment',
		fields: [
			{ name: 'milestone_uid', label: 'Visit', required: true,
				options: payable.map((visit) => [visit.uid, `${visit.milestone}: ${money(visit.amount, visit.currency)}`]) },
			{ name: 'visit_date', label: 'Date of the visit', type: 'date', max: today() },
			{ name: 'note', label: 'Note' },
		],
		action: 'Request payment',
		async send(values) {
			const payment = { patient_uid: enrollment.patient_uid, ...values };
			const { status, amount, currency } = await change('milestone_payment', payment, key.of('milestone_payment', payment));
			key.succeeded();
			await paid();
			say(`The payment${amount == null ? '' : ` of ${money(amount, currency)}`} is ${status}.`);
		},
	});
}
