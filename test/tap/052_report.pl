# Reports, made and downloaded through PostgREST: what a browser gets, and what is in the workbooks.

use strict;
use warnings;

use IO::Uncompress::Unzip qw(unzip $UnzipError);
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PAYMENTS => 5000;

my $node = Murallink::Node->new('report');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;
$node->append_conf('postgresql.conf', "murallink.public_url = '$client->{url}'");
$node->reload;
$stack->wait_for("SELECT current_setting('murallink.public_url') = '$client->{url}'");

my $admin = api('login', { email => $stack->{admin_email}, password => $stack->{admin_password} })->{session_id};
my $contract = api('create_contract', {
	client_uid => api('create_client', { name => 'C' })->{uid}, name => 'Contract', currency => 'USD' })->{uid};
my $trial = api('create_trial', { contract_uid => $contract, name => "M\x{fc}nchen \"1/2\"" })->{uid};
my $site = api('create_site', { trial_uid => $trial, name => 'Site' })->{uid};
my $patient = api('add_patient', { site_uid => $site, first_name => 'Pat', last_name => 'Ient' })->{uid};
api('enroll', { patient_uid => $patient, trial_uid => $trial, site_uid => $site, subject_id => '=1+1' });
$stack->sql("SET session_replication_role = replica; UPDATE murallink.enrollment SET created_at = '2022-01-01'");
api('add_funding', { contract_uid => $contract, amount => 1000.5 });
api('add_funding', { contract_uid => $contract, amount => 5000, currency => 'JPY' });
api('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 12.5, note => '@SUM(A1:A2)', visit_date => '2022-08-08' });
api('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 1000, currency => 'JPY', note => "<\x{fc}>\n&\x{ffff}" });

# The payload of an action's answer.
sub api
{
	my ($action, $payload) = @_;
	my $answer = $client->api({ action => $action, $admin ? (session_id => $admin) : (), payload => $payload });
	die "$action: $answer->{message}\n" unless $answer->{status_code} == 200;
	return $answer->{payload};
}

# What a link answers to a browser: status, body, headers.
sub download
{
	my ($link, $accept) = @_;
	return $client->request('GET', $link, undef, { Accept => $accept // '*/*' });
}

# The XML of a sheet, by its number, or of another part of a workbook.
sub part
{
	my ($workbook, $name) = @_;
	$name = "xl/worksheets/sheet$name.xml" if $name =~ /^\d+$/;
	unzip(\$workbook => \my $xml, Name => $name) or die "$name: $UnzipError\n";
	return $xml;
}

# The cells of a sheet by their places: the type (n for a number) and the content.
sub cells
{
	my ($xml) = @_;
	my %cells;
	while ($xml =~ m{<c r="([A-Z]+\d+)"(?: s="(\d+)")?(?: t="(\w+)")?>(.*?)</c>}gs)
	{
		my ($place, $style, $type, $content) = ($1, $2, $3, $4);
		$content =~ s/<[^>]+>//g;
		$cells{$place} = { type => $type // 'n', style => $style // 0, content => $content };
	}
	return \%cells;
}

note 'a link';
my $link = api('trial_payment_report', { trial_uid => $trial, format => 'csv' });
like($link, qr{^\Q$client->{url}\E/rpc/report\?uid=[0-9A-Za-z]{27}$}, 'is below murallink.public_url');
my ($status, $csv, $headers) = download($link);
is($status, 200, 'needs no session');
is(($stack->client->request('GET', $link, undef, { Accept => '*/*', 'Session-Id' => '0ujtsYcgvSTl8PAuAdqWYSMnLOv' }))[0], 200, 'and does not mind one that has ended');
is($headers->{'content-type'}, 'text/csv; charset=utf-8', 'has the type of the file');
like($headers->{'content-disposition'}, qr/^attachment; filename="Payments M_nchen _1_2_ [\d-]{10}\.csv"; filename\*=UTF-8''Payments%20M%C3%BCnchen%20_1_2_%20[\d-]{10}\.csv$/,
	'and its name, which is no path');
is($headers->{'cache-control'}, 'private, no-store', 'and is not kept on the way');
is($headers->{'x-content-type-options'}, 'nosniff', 'nor taken for something else');
like($csv, qr/^\xef\xbb\xbfDate,.*\r\n.*,"'=1\+1",manual,,,2022-08-08,12\.50,12\.50,,USD,pending,,,,"'\@SUM\(A1:A2\)",,,,,\w{27}\r\n.*,1000,1000,,JPY,pending,,,,"<\xc3\xbc>\n&\xef\xbf\xbf",,,,,\w{27}\r\n$/s,
	'the file itself');
foreach my $accept ('text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', 'application/json', 'text/csv',
	'application/octet-stream', 'application/vnd.pgrst.array+json', 'text/csv;q=0.5')
{
	($status, my $same, $headers) = download($link, $accept);
	ok($status == 200 && $same eq $csv && $headers->{'content-type'} =~ /^text\/csv/, "also to one who accepts $accept");
}
# PostgREST may close a connection after HEAD: it gets one of its own.
($status, undef) = $stack->client->request('HEAD', $link);
is($status, 200, 'HEAD');
($status, my $json, $headers) = download($link, 'application/vnd.pgrst.object+json');
ok($status == 200 && $headers->{'content-type'} =~ /^application\/vnd\.pgrst\.object\+json/, 'PostgREST\'s own media type is no file\'s');
foreach my $path ($link, "$client->{url}/rpc/report?uid=0ujtsYcgvSTl8PAuAdqWYSMnLOv", "$client->{url}/rpc/report?uid=x")
{
	foreach my $accept ('*/*', 'text/csv', 'application/json')
	{
		my @got = $stack->client->request('GET', $path, undef, { Accept => $accept });
		my @head = $stack->client->request('HEAD', $path, undef, { Accept => $accept });
		is($head[0], $got[0], "HEAD has the status of GET: $got[0] for $accept");
		my @names = qw(content-type content-disposition cache-control x-content-type-options);
		is_deeply([ @{ $head[2] }{@names} ], [ @{ $got[2] }{@names} ], 'and the same headers');
	}
}
note 'HEAD of every function';
foreach my $function (split /\n/, $stack->sql(<<'EOC'))
SELECT proname FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace
    AND EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 'murallink_client'::regrole) AND provolatile <> 'i'
EOC
{
	my ($got) = $stack->client->request('GET', "$client->{url}/rpc/$function");
	my ($head) = $stack->client->request('HEAD', "$client->{url}/rpc/$function");
	is($head, $got, "HEAD of $function is refused as GET is");
}
my ($posted, $body) = $client->rpc('report', { uid => $link =~ s/.*=//r });
is($posted, 200, 'POST');
my @refused = map { [ download($_) ] } "$client->{url}/rpc/report?uid=0ujtsYcgvSTl8PAuAdqWYSMnLOv", "$client->{url}/rpc/report";
$stack->sql('UPDATE murallink_private.report SET expires_at = now()');
push @refused, [ download($link) ];
is($refused[$_][0], 404, (qw(unknown missing expired))[$_] . ' is not found') foreach 0 .. 2;
is_deeply($refused[2][1], $refused[0][1], 'expired is like unknown');
is((download("$client->{url}/rpc/report?uid=x"))[0], 400, 'what is no uid is refused');
is($client->api({ action => 'report', payload => { uid => $link =~ s/.*=//r } })->{error}{code}, 'unknown_action', 'it is no action');

note 'the typed functions';
($status, $body) = $client->rpc('trial_payment_report', { trial_uid => $trial, format => 'xlsx' }, { 'Session-Id' => $admin });
is($status, 200, 'answer');
is((download($body))[2]{'content-type'}, 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'with a link to a workbook');

note 'the workbook of payments';
my (undef, $workbook) = download(api('trial_payment_report', { trial_uid => $trial, format => 'xlsx' }));
my $xml = part($workbook, 1);
my $cells = cells($xml);
my $styles = part($workbook, 'xl/styles.xml');
my @formats = $styles =~ /<cellXfs.*<\/cellXfs>/s ? $& =~ /<xf numFmtId="(\d+)"/g : ();
my %codes = $styles =~ /<numFmt numFmtId="(\d+)" formatCode="([^"]+)"/g;
sub format_of { my ($place) = @_; my $id = $formats[ $cells->{$place}{style} ]; return $codes{$id} }
is_deeply([ map { $cells->{"${_}1"}{content} } 'A' .. 'U' ],
	['Date', 'Site', 'Subject ID', 'Payment', 'Milestone', 'Approval', 'Visit date', 'Amount', 'Net amount', 'Recovered', 'Currency', 'Status', 'Paid on', 'Reversed on', 'Reference', 'Note', 'Decision note', 'Approvals', 'Fraction', 'Capped from', 'Payment UID'],
	'headings');
like($xml, qr/<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/, 'which stay in view');
is_deeply([ @{ $cells->{H2} }{qw(type content)}, format_of('H2') ], ['n', '12.5', '#,##0.00'], 'dollars are numbers with two decimals');
is_deeply([ @{ $cells->{H3} }{qw(type content)}, format_of('H3') ], ['n', '1000', '#,##0'], 'yen with none');
is_deeply([ @{ $cells->{G2} }{qw(type content)}, format_of('G2') ], ['n', '44781', 'yyyy-mm-dd'], 'days are days');
is_deeply([ @{ $cells->{C2} }{qw(type content)} ], ['inlineStr', '=1+1'], 'what looks like a formula is a text');
is_deeply([ @{ $cells->{P2} }{qw(type content)} ], ['inlineStr', '@SUM(A1:A2)'], 'as are notes');
is($cells->{P3}{content}, "&lt;\xc3\xbc&gt;\n&amp;\xef\xbf\xbd", 'of any characters that XML has');
unlike($xml, qr/<f>/, 'there is no formula');
unlike($xml, qr/Ient/, 'and no name of a person');

note 'the workbook of funds';
(undef, $workbook) = download(api('funding_report', { contract_uid => $contract, format => 'xlsx' }));
is_deeply([ part($workbook, 'xl/workbook.xml') =~ /<sheet name="([^"]+)"/g ], [qw(Balances Trials Fundings)], 'has three sheets');
my ($balances, $trials, $fundings) = map { cells(part($workbook, $_)) } 1 .. 3;
is_deeply([ map { $balances->{"${_}3"}{content} } 'A' .. 'E' ], [qw(USD 1000.5 12.5 0 988)], 'balances');
is_deeply([ map { $trials->{"${_}2"}{content} } 'C' .. 'E' ], [qw(JPY 1000 0)], 'what trials hold');
is_deeply([ map { $fundings->{"${_}2"}{content} } 'B' .. 'C' ], [qw(USD 1000.5)], 'what was funded');

note PAYMENTS . ' payments';
$stack->sql(<<"EOC");
SET session_replication_role = replica;
INSERT INTO murallink_private.payment (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, chain_uid, payment_type,
    amount, currency, note, created_at)
SELECT p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.trial_site_uid, p.patient_uid, p.enrollment_uid, p.chain_uid, 'manual', n, 'USD',
    'n' || n, p.created_at + n * interval '1 second'
FROM (SELECT * FROM murallink.payment LIMIT 1) AS p, generate_series(1, ${\PAYMENTS}) AS n
EOC
(undef, $csv) = download(api('trial_payment_report', { trial_uid => $trial }));
my @rows = split /\r\n/, $csv;
is(scalar @rows, PAYMENTS + 3, 'are as many rows');
like($rows[-1], qr/,manual,,,,${\PAYMENTS}\.00,${\PAYMENTS}\.00,,USD,pending,,,,n${\PAYMENTS},/, 'in the order of time');
(undef, $workbook) = download(api('trial_payment_report', { trial_uid => $trial, format => 'xlsx' }));
$cells = cells(part($workbook, 1));
is($cells->{ 'H' . (PAYMENTS + 3) }{content}, PAYMENTS, 'also in the workbook');
is($stack->sql('SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'no temporary file is left');

note 'what looks like an escape';
my $escapes = "_x0041_BC _x000d_ __x0041_x0042_ _x41_ _x0041 tab\tend";
api('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 1, note => $escapes });
api('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 1, note => '_x0041_' x 140 });
(undef, $workbook) = download(api('trial_payment_report', { trial_uid => $trial, format => 'xlsx' }));
$cells = cells(part($workbook, 1));
my %notes = map { (read_as($cells->{$_}{content}) => 1) } grep { /^P/ } keys %$cells;
ok($notes{$_}, 'is read as it was written: ' . substr($_, 0, 30)) foreach $escapes, '_x0041_' x 140;

note 'ends of lines';
api('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 1, note => "one\r\ntwo\rthree\nfour" });
(undef, $workbook) = download(api('trial_payment_report', { trial_uid => $trial, format => 'xlsx' }));
$cells = cells(part($workbook, 1));
is((grep { $_->{content} =~ /^one\n/ } values %$cells)[0]{content}, "one\ntwo\nthree\nfour", 'are those of workbooks, and no escapes');

# What a reader shows for the content of a cell, by ECMA-376 part 1, 22.4.2.4.
sub read_as { return $_[0] =~ s/_x([0-9A-Fa-f]{4})_/chr hex $1/ger }

done_testing();
