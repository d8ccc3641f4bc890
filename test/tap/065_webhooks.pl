# S42: events that the worker announces and posts, to a receiver that verifies them with the library of Standard Webhooks, and that
# fails, is slow, is gone for a while, or wants no more. Whatever it does, every event arrives, and payouts go on. Funds that become
# low are such an event.

use strict;
use warnings;

use DBI;
use FindBin;
use HTTP::Tiny;
use JSON::PP;
use List::Util qw(uniq);
use MIME::Base64;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "murallink.shutdown_grace = 0\n");
my $stack = $payouts->stack;
my $port = Murallink::Stack::free_port();
my $http = HTTP::Tiny->new(timeout => 20);
my $json = JSON::PP->new->canonical;
my %secret = map { $_ => 'whsec_' . encode_base64($_ x 32, '') } qw(a b c);
receiver();
$payouts->patients(2);
$payouts->order_cards;

note 'what happens to a card and to a payment';
my ($card, $first) = split /\|/, $payouts->sql(q{SELECT card_uid, uid FROM murallink.payout ORDER BY uid LIMIT 1});
is(events($card), 'card.ordered card.active', 'a card is ordered and comes');
is(events($first), 'payout.waiting', 'its payout waits for it');
my $back = $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$first'");
$payouts->become_payer;
$payouts->sql("SELECT murallink.request_reversal('$back', 0.25, 'other', 'a part')");
$payouts->wait_for("SELECT returned = 0.25 FROM murallink.payment WHERE uid = '$back'");
$payouts->call(reverse_payment => $back, 'the rest');
$payouts->wait_for("SELECT status = 'reversed' FROM murallink.payment WHERE uid = '$back'");
is(events($back), 'payment.pending payment.approved payment.paid payment.returned payment.reversed', 'a payment comes back');
is($payouts->sql("SELECT string_agg(returned::text, ' ' ORDER BY position) FROM murallink_private.event WHERE resource_uid = '$back'"),
	'0.25 ' . $payouts->sql("SELECT amount FROM murallink.payment WHERE uid = '$back'"),
	'each with what has come back so far');
$payouts->sql("SELECT murallink.replace_card(patient_uid, 'lost', 'on the bus') FROM murallink_private.card WHERE uid = '$card'");
is(events($card), 'card.ordered card.active card.replaced', 'the card is replaced');
$payouts->wait_idle;

note 'sessions that listen';
my $listener = listener();
my ($heard) = $payouts->approve(1);
my $paid = $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$heard'");
my @heard;
hear("payment.paid $paid");
is_deeply([ grep { /\Q$paid\E/ } @heard ], [ map { "payment.$_ $paid" } qw(pending approved paid) ], 'hear what happens, in order');

note 'a webhook';
mode('/all', 200, secrets => [ @secret{qw(a b)} ]);
mode('/paid', 200, secrets => [ $secret{a} ]);
mode('/other', 200);
my $client = $payouts->sql(q{INSERT INTO murallink.client (name) VALUES ('Other') RETURNING uid});
hook('all', secret => $secret{a});
hook('paid', secret => $secret{a}, types => '{payment.paid}', resource_uid => $payouts->sql('SELECT trial_site_uid FROM public.place'));
hook('other', secret => $secret{a}, resource_uid => $client);
my @payments = payments(30);
is_deeply([ received('/all') ], [ steps(@payments) ], 'gets every event');
is_deeply([ received('/paid') ], [ sort map { "payment.paid $_" } @payments ], 'or those of its types and its place');
is_deeply([ posts('/other') ], [], 'and no others');
my @all = posts('/all');
is(scalar(grep { $_->{verified}[0] && !$_->{verified}[1] } @all), scalar @all, 'the library verifies them');
my ($post) = grep { $_->{body}{type} eq 'payment.paid' } @all;
is_deeply([ sort keys %{ $post->{body} } ], [qw(data sequence timestamp type)], 'a body');
is("$post->{type} $post->{body}{data}{uid}", "application/json $post->{id}", 'is JSON, with the uid of the event as its id');
is_deeply([ sort keys %{ $post->{body}{data} } ],
	[ sort qw(uid resource resource_uid client_uid contract_uid trial_uid site_uid payment_uid status amount currency) ], 'and says what, and no names');

note 'one that fails, that redirects, and one that hangs';
mode('/all', 500);
mode('/paid', 302);
mode('/slow', 200, delay => 60_000);
hook('slow', secret => $secret{a}, resource_uid => $payouts->sql('SELECT trial_uid FROM public.place'));
my @failed = payments(5);
$payouts->wait_for(q{SELECT bool_and(CASE name WHEN 'all' THEN waiting = 15 WHEN 'paid' THEN waiting = 5 ELSE true END) FROM murallink.webhooks()});
is_deeply([ posts('/elsewhere') ], [], 'a redirection is not followed');
is($payouts->sql(q{SELECT DISTINCT d.attempt || ' ' || d.reason || ' ' || (d.due_at - d.tried_at BETWEEN '4.9 s' AND '5.6 s')
	FROM murallink_private.webhook_delivery d JOIN murallink_private.webhook w ON w.uid = d.webhook_uid AND w.name = 'all' AND d.attempt = 1}) =~ /^(1 HTTP 500 true)?$/ ? 1 : 0, 1,
	'they are tried again after five seconds');
mode('/all', 200);
mode('/paid', 200);
hurry();
is_deeply([ received('/all') ], [ steps(@payments, @failed) ], 'and arrive');
is(scalar(uniq(map { $_->{id} } posts('/all'))), 105, 'under the same id');
$payouts->wait_for(q{SELECT sum(waiting) = 0 FROM murallink.webhooks() WHERE name IN ('all', 'paid')});
$payouts->sql(q{SELECT murallink.remove_webhook('slow')});

note 'one that is gone for a while, as is the worker, which ends with kill -9';
kill 'KILL', $stack->running('receiver');
Murallink::Stack::poll('its end', sub { !$stack->running('receiver') });
my @gone = payments(5);
$payouts->wait_for(q{SELECT waiting = 15 FROM murallink.webhooks() WHERE name = 'all'});
my @more = payments(5, sub {
	my $pid = $payouts->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'murallink events'});
	kill 'KILL', $pid;
	$payouts->wait_for("SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'murallink events'");
});
$listener = listener();
receiver();
mode('/all', 200);
mode('/paid', 200);
hurry();
is_deeply([ received('/all') ], [ steps(@gone, @more) ], 'it gets all that was written meanwhile');

note 'one that wants no more';
mode('/paid', 410);
my @refused = payments(1);
$payouts->wait_for(q{SELECT NOT enabled FROM murallink.webhooks() WHERE name = 'paid'});
is($payouts->sql(q{SELECT kind, why, remedy FROM murallink.needs_person}), 'webhook|webhook paid: it answered 410|set_webhook', 'is switched off');
mode('/paid', 200);
push @refused, payments(1);
hook('paid', enabled => 'true');
hurry();
is_deeply([ grep { my $event = $_; grep { $event =~ $_ } @refused } received('/paid') ],
	[ sort map { "payment.paid $_" } @refused ], 'switched on again, it gets what was left');

note 'one that never accepts';
mode('/paid', 503);
my ($never) = payments(1);
$payouts->wait_for(q{SELECT waiting = 1 FROM murallink.webhooks() WHERE name = 'paid'});
$payouts->sql(q{UPDATE murallink_private.webhook_delivery SET attempt = 9, due_at = now()});
$payouts->wait_for(q{SELECT failed = 1 FROM murallink.webhooks() WHERE name = 'paid'});
is($payouts->sql(q{SELECT kind, why, remedy FROM murallink.needs_person}),
	'webhook|webhook paid: 1 events were not accepted: HTTP 503|resend_webhook or remove_webhook', 'after ten attempts a person is asked');
mode('/paid', 200);
is($payouts->sql(q{SELECT murallink.resend_webhook('paid')}), 1, 'who sends it again');
$payouts->wait_for(q{SELECT waiting + failed = 0 FROM murallink.webhooks() WHERE name = 'paid'});
is((grep { /\Q$never\E/ } received('/paid'))[0], "payment.paid $never", 'and it arrives');
my ($event) = map { $_->{id} } grep { $_->{body}{data}{payment_uid} eq $never } posts('/paid');
$payouts->sql("SELECT murallink.resend_webhook('paid', '$event')");
Murallink::Stack::poll('it again', sub { 2 == grep { $_->{id} eq $event && $_->{status} == 200 } posts('/paid') });

note 'two secrets, and who sees them';
mode('/all', 200, secrets => [ @secret{qw(a b)} ]);
$payouts->sql("SELECT murallink.rotate_webhook('all', '$secret{b}')");
my ($both) = payments(1);
is_deeply((grep { $_->{body}{data}{payment_uid} eq $both } posts('/all'))[0]{verified}, [ JSON::PP::true, JSON::PP::true ], 'both sign');
$payouts->sql(q{UPDATE murallink_private.webhook_secret SET earlier_until = now() - interval '1 s' WHERE earlier IS NOT NULL});
my ($one) = payments(1);
is_deeply((grep { $_->{body}{data}{payment_uid} eq $one } posts('/all'))[0]{verified}, [ JSON::PP::false, JSON::PP::true ], 'until the first ends');
$payouts->sql('CREATE ROLE hooks LOGIN IN ROLE murallink_operator');
is(as("SELECT count(*) FROM murallink.webhooks()"), 3, 'an operator sees the webhooks');
is($payouts->error_of("SET SESSION AUTHORIZATION hooks; SELECT * FROM murallink_private.webhook_secret"), 'permission denied for schema murallink_private', 'and no secret');
is($payouts->sql(q{SELECT count(*) FROM murallink.audit_event WHERE resource = 'webhook' AND changes::text ~ 'whsec'}), 0, 'nor does the audit');
is(as(q{SELECT string_agg(DISTINCT action || ' ' || array_to_string(ARRAY(SELECT jsonb_object_keys(changes)), ','), '; ' ORDER BY action || ' ' || array_to_string(ARRAY(SELECT jsonb_object_keys(changes)), ',')) FROM murallink.audit_event WHERE resource = 'webhook' AND action = 'changed'}),
	'changed off; changed secret', 'which shows what was changed');
is($payouts->error_of("SELECT murallink.set_webhook($_->[0])"), $_->[1], "refused: $_->[0]") foreach
	[ q{'x', 'http://example.com/', secret => 'whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh'}, 'insecure_url' ],
	[ q{'x', 'https://example.com/'}, 'missing_field' ], [ q{'x', 'https://example.com/', secret => 'whsec_YWFh'}, 'invalid_value' ],
	[ q{'x', 'https://example.com/', secret => 'whsec_****'}, 'invalid_value' ], [ q{'x', types => '{paid}'}, 'invalid_value' ];

note 'funds that become low';
my $threshold = q{SELECT murallink.set_low_funds(l.contract_uid, b.available, 'n') FROM public.place l JOIN murallink.fund_balance b USING (contract_uid)};
$payouts->sql($threshold);
payments(1);
my @low = low(1);
is("$low[0]{body}{data}{currency} $low[0]{body}{data}{amount}", $payouts->sql(q{SELECT 'USD ' || trim_scale(funds_low) FROM murallink.contract WHERE low_funds IS NOT NULL}),
	'are an event, with what is available');
payments(2);
is($payouts->sql(q{SELECT kind, remedy FROM murallink.needs_person WHERE why ~ '^low: '}), 'funds|add_funding or set_low_funds', 'which needs a person');
$payouts->sql('SELECT murallink.add_funding(contract_uid, 100) FROM public.place');
$payouts->wait_for('SELECT funds_low IS NULL FROM murallink.contract WHERE low_funds IS NOT NULL');
is(scalar(low(1)), 1, 'once');
$payouts->sql($threshold);
payments(1);
is(scalar(low(2)), 2, 'until they have risen');
is($payouts->sql(q{SELECT string_agg(e.type, ' ') FROM murallink.events(types => '{funds.low}') p, unnest(p.events) e}), 'funds.low funds.low', 'the feed has them');

note 'a copy posts nothing';
$payouts->sql(q{UPDATE murallink_private.payout_switch SET place = 'elsewhere'});
my $count = () = posts('/all');
$payouts->sql('UPDATE murallink_private.webhook SET position = 0');
# What is announced was read before the webhooks are looked at.
hear('payment.pending ' . $payouts->sql(q{INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
	SELECT uid, 'manual', 1, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid})) foreach 1 .. 2;
is(scalar(posts('/all')), $count, 'until payouts are enabled there');

note 'posts that end after an operator has changed the webhook';
my $as_of = $payouts->sql(q{SELECT changed_at FROM murallink_private.webhook WHERE name = 'all'});
hook('all', enabled => 'true', after => '000000000000000000000001');
$payouts->sql(qq{SELECT murallink_private.webhooks_settle(jsonb_build_array(jsonb_build_object('webhook_uid', w.uid, 'as_of', '$as_of',
	'next', (SELECT max(sequence) FROM murallink_private.event),
	'results', jsonb_build_array(jsonb_build_object('event_uid', murallink.gen_ksuid(), 'http_status', 410, 'reason', 'HTTP 410')))))
	FROM murallink_private.webhook w WHERE w.name = 'all'});
is($payouts->sql(q{SELECT next, enabled FROM murallink.webhooks() WHERE name = 'all'}), '000000000000000000000001|t',
	'neither move it on nor switch it off');
done_testing();

# Starts the receiver.
sub receiver
{
	$stack->spawn('receiver', 'node', "$FindBin::RealBin/webhook_receiver.cjs", $port);
	$stack->wait_for_answer('receiver', "http://127.0.0.1:$port/posts");
	return;
}

# The events of a row, in order.
sub events
{
	my ($uid) = @_;
	return $payouts->sql("SELECT string_agg(event::text, ' ' ORDER BY position, step) FROM murallink_private.event WHERE resource_uid = '$uid'");
}

# A session that listens.
sub listener
{
	my $session = $stack->connect;
	$session->do('LISTEN murallink_events');
	return $session;
}

# Has the receiver answer on a path with a status.
sub mode
{
	my ($path, $status, %more) = @_;
	$http->post("http://127.0.0.1:$port/mode", { content => $json->encode({ path => $path, status => $status, %more }) });
	return;
}

# Makes a webhook, or changes one.
sub hook
{
	my ($name, %arguments) = @_;
	$arguments{url} //= "http://127.0.0.1:$port/$name" unless exists $arguments{enabled};
	return $payouts->sql("SELECT murallink.set_webhook('$name', " . join(', ', map { "$_ => '$arguments{$_}'" } sort keys %arguments) . ')');
}

# Makes payments, waits until they are paid, does something else if told so, and waits until all webhooks have come that far.
sub payments
{
	my ($count, $beside) = @_;
	my @payouts = $payouts->approve($count);
	$payouts->wait_settled;
	$beside->() if $beside;
	$payouts->wait_for(q{SELECT bool_and(next >= (SELECT max(sequence) FROM murallink_private.event WHERE event = 'payment.paid'))
		FROM murallink.webhooks() WHERE enabled AND name IN ('all', 'paid')});
	return split /\n/, $payouts->sql('SELECT payment_uid FROM murallink.payout WHERE uid IN (' . join(', ', map { "'$_'" } @payouts) . ')');
}

# Waits until the listening session has received the notification of an event.
sub hear
{
	my ($event) = @_;
	return Murallink::Stack::poll($event, sub {
		while (my $notice = $listener->pg_notifies) { push @heard, split /\n/, $notice->[2] }
		return grep { $_ eq $event } @heard;
	});
}

# What has come on a path.
sub posts
{
	my ($path) = @_;
	return grep { $_->{path} eq $path } @{ decode_json($http->get("http://127.0.0.1:$port/posts")->{content}) };
}

# Which events were accepted on a path, each once.
sub received
{
	my ($path) = @_;
	return uniq sort map { "$_->{body}{type} $_->{body}{data}{payment_uid}" } grep { $_->{status} == 200 } posts($path);
}

# The events of payments that were paid.
sub steps { return sort map { ("payment.approved $_", "payment.paid $_", "payment.pending $_") } @_ }

# The posts about funds that have become low, once there are that many.
sub low
{
	my ($count) = @_;
	my @posts;
	Murallink::Stack::poll("$count posts", sub {
		@posts = grep { $_->{body}{type} eq 'funds.low' && $_->{status} == 200 } posts('/all');
		return @posts >= $count;
	});
	return @posts;
}

# Makes all that waits due.
sub hurry
{
	$payouts->sql('UPDATE murallink_private.webhook_delivery SET due_at = now() WHERE due_at IS NOT NULL');
	return $payouts->wait_for(q{SELECT sum(waiting) = 0 FROM murallink.webhooks() WHERE name IN ('all', 'paid')});
}

# Runs a query as an operator.
sub as
{
	my ($query) = @_;
	return $payouts->sql("SET SESSION AUTHORIZATION hooks; $query");
}
