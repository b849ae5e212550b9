# The models that the workers offer.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    http => 'log_format pid "$pid $uri $status"; access_log pid.log pid;');

$stack->start;


# ready when the first worker has told its models

my $c;

$stack->wait_for(10, sub {
    $c = $stack->ask('/v1/models');
    return $c->status == 200 && $c->body =~ /mock-large/;
}, 'the models');

my $list = decode_json($c->body);

is($list->{object}, 'list', 'a list');
is($c->header('Content-Type'), 'application/json', 'JSON');
is_deeply([sort map { $_->{id} } @{ $list->{data} }],
          [qw(mock-1 mock-large)], "the provider's models");

for (@{ $list->{data} }) {
    is_deeply([sort keys %$_], [qw(created id object owned_by)], 'members');
    is($_->{object}, 'model', 'object');
    is($_->{owned_by}, 'mock', 'owner: the provider');
}

$c = $stack->ask('/v1/models/mock-1');
is($c->status, 200, 'one model');
is(decode_json($c->body)->{id}, 'mock-1', 'its id');

$c = $stack->ask('/v1/models/none');
is($c->status, 404, 'no such model: 404');
is(decode_json($c->body)->{error}{code}, 'model_not_found', 'its code');

is($stack->ask('/v1/models', method => 'HEAD')->body, '',
   'HEAD');

# any key may ask, whatever its scopes

my $sender = $stack->create_key('dave', 'submit');

$stack->wait_for(5, sub {
    $stack->ask('/v1/models', no_key => 1,
                headers => ["X-API-Key: $sender"])->status == 200;
}, 'a key that may only submit');


# a key that allows one model sees no other, and may ask no other

my $narrow = $stack->create_key('erin', 'submit,read');

$stack->add_to_key('erin', 'models=mock-l*');

my @narrow = (no_key => 1, headers => ["X-API-Key: $narrow"]);

$stack->wait_for(5, sub {
    $stack->ask('/v1/models', @narrow)->status == 200;
}, 'a key for one model');

is_deeply([map { $_->{id} } @{ decode_json($stack->ask('/v1/models',
              @narrow)->body)->{data} }], ['mock-large'], 'sees that one');
is($stack->ask('/v1/models/mock-large', @narrow)->status, 200, 'alone too');
is($stack->ask('/v1/models/mock-1', @narrow)->status, 404, 'not another');

for my $to ('/v1/chat/completions', '/v1/jobs') {
    my $body = sub {
        my $r = { model => $_[0],
                  messages => [{ role => 'user', content => 'hi' }] };
        return encode_json($to =~ /jobs/ ? { request => $r } : $r);
    };
    my @json = (@narrow, method => 'POST');

    $c = $stack->ask($to, @narrow, method => 'POST', body => $body->('mock-1'));
    is($c->status, 403, "$to: 403 for another");
    like($c->body, qr/model_not_allowed/, 'its code');

    $c = $stack->ask($to, @narrow, method => 'POST',
                     body => $body->('mock-large'));
    like($c->status, qr/^20[02]$/, "$to: taken for that one");
}


# without Redis the list that was seen last is given, by each process

$stack->wait_for(20, sub {
    Weir::Client::wait_all(5, map { $stack->request('/v1/models') } 1 .. 20);
    my %pids = map { $_ => 1 }
               Weir::Stack::slurp($stack->dir . '/pid.log')
               =~ m{^(\d+) /v1/models 200$}mg;
    return keys %pids == 2;
}, 'both processes have seen one');

$stack->stop('worker');
$stack->stop('redis');
$stack->wait_for(5, sub {
    $stack->log('nginx') =~ /closed the connection \(commands\)/;
}, 'Redis is gone');

my %seen;

for (1 .. 20) {
    my $c = $stack->ask('/v1/models');
    $seen{$c->status}++;
    is(decode_json($c->body)->{data}[0]{object}, 'model', 'still a list');
}

is_deeply([keys %seen], [200], 'every process has seen one');

$stack->end;

done_testing();
