# Files through a real PostgREST: uploaded as base64 in JSON, downloaded byte for byte.

use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use MIME::Base64;
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('files');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;

sub api
{
	my ($session, $action, $payload) = @_;
	return $client->api({ action => $action, $session ? (session_id => $session) : (), payload => $payload // {} });
}

sub login
{
	my ($email, $password) = @_;
	return api(undef, 'login', { email => $email, password => $password })->{payload}{session_id};
}

# The status, body and headers of a GET of a link that murallink has answered.
sub download
{
	my ($session, $link, %headers) = @_;
	$link =~ s/^http:\/\/localhost:3000/$client->{url}/;
	return $client->request('GET', $link, undef, { %headers, $session ? ('Session-Id' => $session) : () });
}

my $admin = login($stack->{admin_email}, $stack->{admin_password});
api(undef, 'register', { email => 'u@example.com', password => 'some password', first_name => 'U', last_name => 'Ser' });
my $user = login('u@example.com', 'some password');
my $user_uid = api($user, 'my_info')->{payload}{uid};
my $owner = api($admin, 'create_client', { name => 'Client' })->{payload}{uid};
my $contract = api($admin, 'create_contract', { client_uid => $owner, name => 'Contract', currency => 'USD' })->{payload};
my $link = $contract->{document_url};

note 'a contract without a file';
is((download($admin, $link))[0], 404, 'has a link that leads nowhere');

note 'a file of every byte';
my $bytes = join '', map { chr } 0 .. 255;
my %upload = (contract_uid => $contract->{uid}, data => encode_base64($bytes), filename => 'example.pdf');
is(api($admin, 'upload_contract', \%upload)->{message}, 'OK', 'is uploaded');
my ($status, $body, $headers) = download($admin, $link);
is($status, 200, 'and downloaded');
is($body, $bytes, 'as it was');
is($headers->{'content-type'}, 'application/pdf', 'with its media type');
like($headers->{'content-disposition'}, qr/^attachment; filename="example\.pdf"/, 'and its name');
is($headers->{'x-content-type-options'}, 'nosniff', 'which no browser guesses');
like($headers->{'cache-control'}, qr/no-store/, 'or keeps');
foreach my $accept ('application/pdf', 'application/octet-stream', 'text/html,*/*;q=0.8', 'application/json')
{
	($status, $body) = download($admin, $link, Accept => $accept);
	is($status, 200, "also to who accepts $accept");
	is($body, $bytes, 'the same');
}

foreach my $session ($admin, $user, undef)
{
	my ($got, undef, $got_headers) = download($session, $link);
	my $path = $link =~ s/^http:\/\/localhost:3000/$client->{url}/r;
	my ($head, undef, $head_headers) = $stack->client->request('HEAD', $path, undef, $session ? { 'Session-Id' => $session } : {});
	is($head, $got, "HEAD has the status of GET: $got");
	is_deeply([ @{$head_headers}{qw(content-type content-disposition)} ], [ @{$got_headers}{qw(content-type content-disposition)} ],
		'and the same headers');
}

note 'a "+" that a form made a blank';
foreach my $damaged ('AAEC v8=', "AAEC\tv8=", ' AAEC/v8=', "AAEC\n v8=")
{
	is(api($admin, 'upload_contract', { %upload, data => $damaged })->{error}{code}, 'invalid_value', 'is refused');
}
is(api($admin, 'upload_contract', { %upload, data => "AAEC\r\n/v8=\n" })->{message}, 'OK', 'line breaks are not');
is((download($admin, $link))[1], "\0\1\2\xfe\xff", 'and say nothing');

note 'media types have parameters';
foreach my $type ('text/plain; charset=utf-8', 'text/plain;charset=UTF-8', 'TEXT/Plain; charset="Utf 8"; format=flowed', 'video/webm;codecs="vp8, opus"')
{
	is(api($admin, 'upload_contract', { %upload, content_type => $type })->{message}, 'OK', "$type is taken");
	my $kept = $type =~ s/^[^;]+/\L$&/r;
	is((download($admin, $link))[2]{'content-type'}, $kept, 'and sent');
}
foreach my $type ('text/plain; charset', 'text/plain; =x', "text/plain; a=b\r\nX: y", 'text/plain; a="b', 'text/plain charset=x', ';', "a/b; c=\x{fc}")
{
	is(api($admin, 'upload_contract', { %upload, content_type => $type })->{error}{code}, 'invalid_value', 'others are not');
}

note 'a newer file';
my $name = 'Vertrag „Zürich“ 100%; "2".txt';
api($admin, 'upload_contract', { %upload, data => encode_base64('newer'), filename => $name });
($status, $body, $headers) = download($admin, $link);
is($body, 'newer', 'is the one that the link leads to');
is($headers->{'content-type'}, 'text/plain', 'with its own media type');
my ($plain, $encoded) = $headers->{'content-disposition'} =~ /^attachment; filename="([^"]*)"; filename\*=UTF-8''(\S+)$/;
like($plain, qr/^[ -~]*$/, 'the name in ASCII');
$encoded =~ s/%([0-9A-F]{2})/chr hex $1/ge;
is($encoded, encode_utf8($name), 'and in full');

note 'a large file';
my $large = $bytes x (4 * 4096);
my ($uploaded) = $client->rpc('upload_contract', { %upload, data => encode_base64($large, '') }, { 'Session-Id' => $admin });
cmp_ok($uploaded, '<', 300, 'goes through the typed function too');
ok((download($admin, $link))[1] eq $large, 'and comes back');
is(api($admin, 'upload_contract', { %upload, data => encode_base64($large x 3, '') })->{error}{code}, 'too_long', 'up to the limit');

note 'who may';
is((download(undef, $link))[0], 401, 'nobody without a session');
is((download('0ujtsYcgvSTl8PAuAdqWYSMnLOv', $link))[0], 401, 'or with one that there is not');
is((download($user, $link))[0], 404, 'a user without permission is not told that there is one');
api($admin, 'grant', { resource_uid => $contract->{uid}, permission => 'edit_contract', user_uid => $user_uid });
($status, $body, $headers) = download($user, $link);
is($status, 403, 'one with another permission is');
unlike($headers->{'content-disposition'} // '', qr/filename/, 'but not of its name');
api($admin, 'grant', { resource_uid => $contract->{uid}, permission => 'view_contract', user_uid => $user_uid });
is((download($user, $link))[0], 200, 'one with view_contract has it');
is((download($user, "$client->{url}/rpc/contract_document"))[0], 400, 'a link without a uid is refused');
is((download($user, "$client->{url}/rpc/contract_document?uid=x"))[0], 400, 'or with a wrong one');
is(api($admin, 'contract_document', { uid => $contract->{uid} })->{error}{code}, 'unknown_action', 'the JSON protocol has no bytes');
($status, $body, $headers) = $client->rpc('api', { action => 'ping' });
like($headers->{'content-type'}, qr/json/, 'and no file\'s headers');

done_testing();
