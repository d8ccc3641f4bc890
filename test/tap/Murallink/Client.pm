package Murallink::Client;

# What an app sees of murallink: PostgREST, with the JSON protocol and every function behind it; and the
# partner sandbox, with its ledger of what it really did.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use JSON::XS ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);

# JSON::XS reads many times as fast, but takes a number for a text once it has been shown.
my $json = JSON::PP->new->utf8->canonical;
my $reader = JSON::XS->new->utf8->allow_nonref;

# A client of the PostgREST and the sandbox at these URLs; by default those of the environment (build/up/env).
sub new
{
	my ($class, %arg) = @_;
	my $self = {
		url => $arg{url} // $ENV{MURALLINK_URL},
		sandbox_url => $arg{sandbox_url} // $ENV{SANDBOX_URL},
		http => HTTP::Tiny->new(timeout => 60, agent => 'murallink-test'),
	};
	return bless $self, $class;
}

# Makes one HTTP request. Returns the status, the body (decoded if it is JSON) and the headers.
sub request
{
	my ($self, $method, $url, $body, $headers) = @_;
	my %options = (headers => { 'Content-Type' => 'application/json', %{ $headers // {} } });
	$options{content} = ref $body ? $json->encode($body) : $body if defined $body;
	# HTTP::Tiny writes head and body apart; the body must not wait for the head's acknowledgement.
	my $connection = $self->{http}{handle};
	setsockopt $connection->{fh}, IPPROTO_TCP, TCP_NODELAY, 1 if $connection;
	my $answer = $self->{http}->request($method, $url, \%options);
	die "$method $url: $answer->{content}\n" if $answer->{status} == 599;
	my $content = $answer->{content};
	$content = $reader->decode($content)
	  if ($answer->{headers}{'content-type'} // '') =~ /json/ && $content ne '';
	return ($answer->{status}, $content, $answer->{headers});
}

# Calls a function by name: POST /rpc/NAME. Returns as request() does.
sub rpc
{
	my ($self, $function, $arguments, $headers) = @_;
	return $self->request('POST', "$self->{url}/rpc/$function", $arguments // {}, $headers);
}

# Sends a request of the JSON protocol, {action, session_id, payload}, and returns its answer. Dies if
# the HTTP status is another than the answer's status_code.
sub api
{
	my ($self, $request) = @_;
	my ($status, $answer) = $self->rpc('api', $request);
	my $expected = ref $answer eq 'HASH' ? $answer->{status_code} // 0 : 0;
	die "$request->{action}: HTTP $status with " . (ref $answer ? $json->encode($answer) : $answer) . "\n"
	  unless $status == $expected;
	return $answer;
}

# Returns the sandbox's answer to GET /sandbox/PATH.
sub sandbox
{
	my ($self, $path) = @_;
	my ($status, $answer) = $self->request('GET', "$self->{sandbox_url}/sandbox/$path");
	die "sandbox: HTTP $status for $path\n" unless $status == 200;
	return $answer;
}

# The truth: every effect that the sandbox has applied.
sub ledger { return $_[0]->sandbox('ledger') }

1;
