#!/usr/bin/python3
"""smtp.py DIR STARTTLS_PORT TLS_PORT PLAIN_PORT: a mail server (aiosmtpd) whose mailbox is DIR/mailbox.

The first port wants STARTTLS and signing in, the second TLS from the start and signing in, the third neither. The
recipient's name says what befalls a message: grey... is refused for now until the third try, never... at each, busy...
for now at the end of the message until the second, refused... for good, as is a sender of that name, bad... for good at
the end of the message with its words; in cut... the connection ends within the message, in lost... when it was taken and
before that is said; closing... is answered with 421 once; slow..., slowbusy... and so on are answered, at the end of the
message, when there is a file DIR/go. Each line of the mailbox is JSON: what was taken, and each try of the recipients above.
"""
import asyncio
import base64
import collections
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

directory, *ports = sys.argv[1:]
tries = collections.Counter()
mailbox = open(directory + '/mailbox', 'a', buffering=1)


def write(event, server, recipient, content=b''):
    session = server.session
    mailbox.write(json.dumps({
        'event': event, 'to': recipient, 'tls': server.transport.get_extra_info('ssl_object') is not None, 'user': session.auth_data or '',
        'host': session.host_name, 'content': base64.b64encode(content).decode()}) + '\n')


class Server(SMTP):
    async def smtp_DATA(self, arg):
        if any(r.startswith('cut') for r in self.envelope.rcpt_tos):
            write('cut', self, self.envelope.rcpt_tos[0])
            await self.push('354 go on')
            await self._reader.readline()
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith('refused'):
            return '550 5.7.1 <%s> may not send' % address
        envelope.mail_from = address
        return '250 ok'

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split('@')[0]
        tries[address] += 1
        if name.startswith('refused'):
            write('refused', server, address)
            return '550 5.1.1 <%s> is nobody here' % address
        if name.startswith('never') or name.startswith('grey') and tries[address] < 3:
            write('grey', server, address)
            return '450 4.2.0 greylisted'
        if name.startswith('closing') and tries[address] < 2:
            return '421 4.3.2 closing'
        envelope.rcpt_tos.append(address)
        return '250 ok'

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        name = address.removeprefix('slow')
        answer = self.outcome(server, envelope, address, name)
        if name != address:
            write('slow', server, address)
            while not os.path.exists(directory + '/go'):
                await asyncio.sleep(.01)
        return answer

    def outcome(self, server, envelope, address, name):
        if name.startswith('bad'):
            write('bad', server, address)
            return '554 5.6.0 no: ' + envelope.content.decode('ascii', 'replace').replace('\r\n', ' ')[-300:]
        if name.startswith('busy') and tries[address] < 2:
            write('busy', server, address)
            return '452 4.3.1 no room'
        write('taken', server, address, envelope.original_content)
        if name.startswith('lost'):
            server.transport.abort()
        return '250 taken'


class MailController(Controller):
    def factory(self):
        return Server(self.handler, **self.SMTP_kwargs)


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b'murallink', b'mail secret')
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(directory + '/cert.pem', directory + '/key.pem')
signed_in = {'authenticator': authenticate, 'auth_required': True}
for controller in (
        MailController(Handler(), '127.0.0.1', int(ports[0]), tls_context=context, require_starttls=True, **signed_in),
        MailController(Handler(), '127.0.0.1', int(ports[1]), ssl_context=context, auth_require_tls=False, **signed_in),
        MailController(Handler(), '127.0.0.1', int(ports[2]))):
    controller.start()
print('ready', flush=True)
asyncio.new_event_loop().run_forever()
