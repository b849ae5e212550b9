# /metrics: the form of Prometheus, all that the documentation names, and
# counters that go on over a reload.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    http => 'weir_limit_zone $remote_addr zone=one:1m rate=1000r/s;
             weir_cache_zone answers 1m;',
    location => 'weir_api; client_max_body_size 1k;',
    server => 'location = /metrics { weir_metrics; }
               location /short/ { weir_api; weir_max_wait 1s; }');

$stack->start('redis', 'nginx');

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';


sub metrics {
    my $c = $stack->ask('/metrics', no_key => 1);

    return map { /^(\w+) (\d+)$/ ? ($1 => $2) : () } split /\n/, $c->body;
}


# grows(NAME, BY, CODE)

sub grows {
    my ($name, $by, $code) = @_;

    my %before = metrics();
    $code->();
    my %after = metrics();

    is($after{$name} - $before{$name}, $by, "$name: $by more");
}


# the form

my $c = $stack->ask('/metrics', no_key => 1);
is($c->status, 200, 'answered');
is($c->header('Content-Type'), 'text/plain; version=0.0.4', 'media type');
is($c->header('Cache-Control'), 'no-store', 'not cached');
is($stack->ask('/metrics', method => 'HEAD')->body, '', 'HEAD');

my @lines = split /\n/, $c->body;
my %type;

while (my ($help, $type) = splice @lines, 0, 2) {
    like($help, qr/^# HELP (\w+) \S/, 'HELP');
    my ($name) = $help =~ /^# HELP (\w+)/;
    like($type, qr/^# TYPE $name (?:counter|gauge|histogram)$/,
         "$name: TYPE");

    if ($type =~ /histogram/) {
        histogram($name, \@lines);
        $type{$name} = 'histogram';
        next;
    }

    my %seen;

    do {
        my $line = shift @lines;
        like($line, qr/^$name(?:\{\w+="\w+"(?:,\w+="\w+")*\})? \d+$/,
             "$name: value");
        ok(!$seen{$line =~ s/ .*//r}++, "$name: once with these labels");
    } while (@lines && $lines[0] !~ /^#/);

    is($type{$name}, undef, "$name: once");
    ($type{$name}) = $type =~ /(\w+)$/;
    is($type{$name} eq 'counter', $name =~ /_total$/ || '',
       "$name: a counter ends in _total");
}

# buckets of growing bounds, each with all below it, the sum, the count

sub histogram {
    my ($name, $lines) = @_;

    my ($last, $all) = (-1, 0);

    while ($lines->[0] =~ /^${name}_bucket\{le="([\d.]+|\+Inf)"\} (\d+)$/) {
        my ($le, $n) = ($1 eq '+Inf' ? 9**9**9 : $1, $2);

        cmp_ok($le, '>', $last, "$name: a bound");
        cmp_ok($n, '>=', $all, "$name: with all below");
        ($last, $all) = ($le, $n);
        shift @$lines;
    }

    is($last, 9**9**9, "$name: the last has all");
    like(shift @$lines, qr/^${name}_sum \d+(?:\.\d+)?$/, "$name: the sum");
    is(shift @$lines, "${name}_count $all", "$name: and their number");
}

like($c->body, qr/\n\z/, 'the last line ends');


# as documented

my %doc;

for (split /\n/, Weir::Stack::slurp('docs/metrics.md')) {
    last if /^## Worker/;
    $doc{$1} = $2 if /^\| `(weir_\w+)(?:\{[\w,]+\})?` \| (\w+) \|/;
}

is_deeply(\%type, \%doc, 'the same names and kinds as in docs/metrics.md');


# what they count

grows('weir_requests_total', 3, sub {
    $stack->ask('/v1/none');
    $stack->ask('/v1/none', no_key => 1);
    $stack->ask('/v1/jobs', body => '{');
});
grows('weir_requests_unauthenticated_total', 1,
      sub { $stack->ask('/v1/none', no_key => 1) });
grows('weir_jobs_submitted_total', 2,
      sub { $stack->ask('/v1/jobs', body => $job) for 1, 2 });
grows('weir_submissions_failed_total', 0,
      sub { $stack->ask('/v1/jobs', body => '{}') });
grows('weir_errors_dressed_total', 1,
      sub { $stack->ask('/v1/jobs', body => 'x' x 2000) });
grows('weir_waits_timed_out_total', 1, sub {
    $stack->ask('/short/v1/jobs', body => $job, headers => ['Prefer: wait=1']);
});
grows('weir_waits_answered_total', 1, sub {
    my $id = decode_json($stack->ask('/v1/jobs', body => $job)->body)->{id};
    my $poll = $stack->request("/v1/jobs/$id", headers => ['Prefer: wait=9']);
    $stack->wait_for(5, sub { my %m = metrics(); $m{weir_requests_parked} },
                     'a parked request');
    $stack->ask("/v1/jobs/$id", method => 'DELETE');
    ok($poll->wait(5), 'answered');
});


# gauges

my %m = metrics();
is($m{weir_requests_parked}, 0, 'nobody is parked');
is($m{weir_redis_ready}, 4, 'two connections for each process');

my @held = map { $stack->request('/v1/jobs', body => $job,
                                 headers => ['Prefer: wait=60']) } 1 .. 5;
$stack->wait_for(5, sub { my %m = metrics(); $m{weir_requests_parked} == 5 },
                 'five parked requests');
$_->close for @held;
$stack->wait_for(5, sub { my %m = metrics(); $m{weir_requests_parked} == 0 },
                 'they have left');


# a process that is killed takes its gauge with it, and no counter

@held = map { $stack->request('/v1/jobs', body => $job,
                              headers => ['Prefer: wait=60']) } 1 .. 6;
$stack->wait_for(5, sub { my %m = metrics(); $m{weir_requests_parked} == 6 },
                 'six parked requests');
my %before = metrics();

$stack->kill_child('nginx') for 1, 2;
$stack->wait_for(10, sub {
    my %m = metrics();
    return $m{weir_requests_parked} == 0 && $m{weir_redis_ready} == 4;
}, 'gauges of new processes');

my %after = metrics();
cmp_ok($after{$_}, '>=', $before{$_}, "$_: goes on")
    for grep { /_total$/ } sort keys %after;


# a reload keeps the counters

my @old = $stack->children('nginx');
%before = metrics();
$stack->signal('nginx', 'HUP');
$stack->wait_for(10, sub {
    my %now = map { $_ => 1 } $stack->children('nginx');
    return !grep { $now{$_} } @old;
}, 'new processes');

%after = metrics();
cmp_ok($after{$_}, '>=', $before{$_}, "$_: goes on after a reload")
    for grep { /_total$/ } sort keys %after;
$stack->wait_for(5, sub { my %m = metrics(); $m{weir_redis_ready} == 4 },
                 'two connections for each new process');

$stack->end;

done_testing();
