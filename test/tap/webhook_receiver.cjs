// Receives webhooks for 065_webhooks.pl: verifies each post with the library of Standard Webhooks, keeps it, and answers as it is told.
// POST /mode sets what to answer on a path, {"path", "status", "delay", "secret"}; GET /posts answers with what has come.
const { createServer } = require('http');
const { join } = require('path');
const { Webhook } = require(join(__dirname, '../../build/standardwebhooks/node_modules/standardwebhooks'));

const posts = [];
const modes = {};

function answer(response, status, body) {
    response.writeHead(status, { 'Content-Type': 'application/json', Location: '/elsewhere' });
    response.end(JSON.stringify(body));
}

function receive(path, headers, body, response) {
    const mode = modes[path] || { status: 404 };
    const verified = (mode.secrets || []).map((secret) => {
        try {
            new Webhook(secret).verify(body, headers);
            return true;
        } catch (error) {
            return false;
        }
    });
    posts.push({ path, verified, id: headers['webhook-id'], type: headers['content-type'], body: JSON.parse(body), status: mode.status });
    setTimeout(() => answer(response, mode.status, {}), mode.delay || 0);
}

createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        if (request.url === '/posts') {
            answer(response, 200, posts);
        } else if (request.url === '/mode') {
            const mode = JSON.parse(body);
            modes[mode.path] = mode;
            answer(response, 200, {});
        } else {
            receive(request.url, request.headers, body, response);
        }
    });
}).listen(Number(process.argv[2]), '127.0.0.1');
