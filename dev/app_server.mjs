// node dev/app_server.mjs PORT URL: serves examples/coordinator on a port of the loopback interface, and below /api/
// the PostgREST at that URL, so that both have one origin, as behind the proxy of docs/applications.md.

import { createReadStream } from 'node:fs';
import http from 'node:http';
import { pipeline } from 'node:stream';

const [port, api] = process.argv.slice(2);
const APP = new URL('../examples/coordinator/', import.meta.url);
const LIBRARY = new URL('../build/postgrest-js/node_modules/@supabase/postgrest-js/dist/index.mjs', import.meta.url);
const TYPES = { css: 'text/css', html: 'text/html', js: 'text/javascript', svg: 'image/svg+xml' };

function serveFile(path, response) {
	const [, name, ending] = /^\/(\w+)\.(\w+)$/.exec(path === '/' ? '/index.html' : path) ?? [];
	if (!TYPES[ending]) {
		response.writeHead(404).end();
		return;
	}
	const file = createReadStream(name === 'postgrest' ? LIBRARY : new URL(`${name}.${ending}`, APP));
	file.on('error', () => response.writeHead(404).end());
	file.on('open', () => {
		response.writeHead(200, {
			'Content-Type': `${TYPES[ending]}; charset=utf-8`,
			'Content-Security-Policy': "frame-ancestors 'none'",
			'X-Content-Type-Options': 'nosniff',
			'Cache-Control': 'no-cache',
		});
		pipeline(file, response, () => {});
	});
}

function forward(request, response) {
	const { method, headers } = request;
	const onward = http.request(api + request.url.slice('/api'.length), { method, headers }, (answer) => {
		response.writeHead(answer.statusCode, answer.headers);
		pipeline(answer, response, () => {});
	});
	onward.on('error', () => response.headersSent ? response.destroy() : response.writeHead(502).end());
	pipeline(request, onward, () => {});
}

const server = http.createServer((request, response) =>
	request.url.startsWith('/api/') ? forward(request, response) : serveFile(request.url.split('?')[0], response));
server.listen(Number(port), '127.0.0.1');
