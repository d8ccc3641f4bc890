// Where the user works, and what the user may do there: asked once, and again when something was forbidden.

import { ask } from './api.js';
import { element, heading, link, nothing, table } from './dom.js';

let held = new Map();
let places = [];

export async function load() {
	let permissions;
	[permissions, places] = await Promise.all([ask('my_permissions'), ask('my_places', { most: 1000 })]);
	held = new Map(permissions.map((place) => [place.resource_uid, new Set(place.permissions)]));
}

// Whether the user holds a permission at a place, or, without one, anywhere.
export const may = (permission, uid) =>
	uid ? held.get(uid)?.has(permission) ?? false : [...held.values()].some((permissions) => permissions.has(permission));

export const placeOf = (uid) => places.find((place) => place.trial_site_uid === uid);

export const trialName = (uid) => places.find((place) => place.trial_uid === uid && place.trial)?.trial ?? 'a trial';

export const siteName = (uid) => places.find((place) => place.site_uid === uid && place.site)?.site ?? 'a site';

export const placeName = (place) => `${trialName(place.trial_uid)} at ${siteName(place.site_uid)}`;

export async function placesPage() {
	await load();
	const listed = [...places].sort((a, b) => placeName(a).localeCompare(placeName(b)));
	return element('div', {},
		heading(1, 'My places'),
		places.length === 0 ? nothing('Nobody has given you a permission yet.') : table('Trials at sites', [
			['Trial and site', (place) => link(placeName(place), 'place', place.trial_site_uid)],
			['Protocol', (place) => place.protocol_id],
			['Enrolled', (place) => place.enrolled],
			['To be paid', (place) => place.payable],
			['Pending', (place) => place.pending],
			['Paid', (place) => place.paid],
		], listed));
}
