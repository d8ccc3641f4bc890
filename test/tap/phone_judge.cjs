// Reads a JSON array of texts, and answers how libphonenumber reads each: dialled in the United States, and in Germany, where
// 00 comes before a country.
const { join } = require('node:path');
const { readFileSync } = require('node:fs');
const library = join(__dirname, '../../build/libphonenumber/node_modules/google-libphonenumber');
const { PhoneNumberUtil, PhoneNumberFormat } = require(library);
const phones = PhoneNumberUtil.getInstance();

function reading(text, region) {
	try {
		const number = phones.parse(text, region);
		return {
			number: phones.format(number, PhoneNumberFormat.E164),
			extension: number.getExtension() ?? '',
			possible: phones.isPossibleNumber(number),
			valid: phones.isValidNumber(number),
		};
	} catch {
		return null;
	}
}

const texts = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => [reading(text, 'US'), reading(text, 'DE')])));
