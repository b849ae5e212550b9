# A mixed workload, replayed over two nginx: hits, calls at the LLM and what was
# saved are what the log of the requests predicts, exactly.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA;
use Test::More;
use Weir::ReplayStack;
use Weir::Stack;

my $DIGEST = 'd49cc58c9a1931542007414150352c0f'
             . '9e1fa2a370b07d1bf630f8d61a75207f';
my $file = "$ENV{TEST_NGINX_DIR}/workload-$$";


sub digest { Digest::SHA->new(256)->addfile($file)->hexdigest }


# the log is the same everywhere

Weir::Workload::generate($file, seed => 1, requests => 2000);
is(digest(), $DIGEST, 'the log of a seed');

Weir::Workload::generate($file, seed => 2, requests => 2000);
isnt(digest(), $DIGEST, 'another seed, another log');

my $log = Weir::Workload::read_log($file);
my $new = grep { $_->{question} =~ /^n/ } @{ $log->{ask} };
my %tenant = map { $_->{tenant} => 1 } @{ $log->{ask} };

is(scalar @{ $log->{ask} }, 2000, 'all requests');
cmp_ok(abs $new - 400, '<', 60, "$new are new");
is(join(' ', sort keys %tenant), 'acme bolt core dune', 'four tenants');
is(join(' ', map { $log->{tier}{$_}{ttl} / 3600 } @{ $log->{tiers} }),
   '6 12 24 48', 'four tiers');


# the prediction, counted by hand

sub predicted {
    my ($scope) = @_;

    Weir::Stack::write_file($file, <<"END");
workload 1
pace 1
margin 400
scope $scope
tier a 1 1 10
tier b 2 2 20
ask 0 acme a p1 chat 0 - 3 4
ask 10 acme a p1 stream 1 - 3 4
ask 20 bolt a p1 chat 2 - 3 4
ask 30 acme b p2 jobs 0 - 5 6
ask 40 acme a p1 chat 0 0.7 3 4
ask 590 acme a p1 chat 0 - 3 4
ask 1450 acme a p1 chat 0 - 3 4
ask 1460 acme a p1 chat 0 - 3 4
ask 1500 acme b p2 chat 0 - 5 6
ask 1510 acme b n0 chat 0 - 5 6
END
    return Weir::Workload::predict(Weir::Workload::read_log($file));
}


my $p = predicted('owner');

is_deeply($p->{a}, { requests => 7, bypass => 1, cacheable => 6, calls => 4,
                     hits => 3, saved_input => 9, saved_output => 12,
                     saved_cost => 129, spent_cost => 172 }, 'a tier');
is_deeply($p->{b}, { requests => 3, bypass => 0, cacheable => 3, calls => 2,
                     hits => 1, saved_input => 5, saved_output => 6,
                     saved_cost => 130, spent_cost => 260 }, 'another');
is($p->{all}{hits}, 4, 'both');
is_deeply($p->{question}, { 'acme/p1' => 2, 'bolt/p1' => 1, 'acme/p2' => 1,
                            'acme/n0' => 1 }, 'calls of each question');
is(predicted('shared')->{all}{hits}, 5, 'tenants that share');

Weir::Stack::write_file($file, Weir::Stack::slurp($file)
                               . "ask 2100 acme a p1 chat 0 - 3 4\n");
ok(!eval { Weir::Workload::predict(Weir::Workload::read_log($file)); 1 },
   'nobody knows what is just getting old');


# as fast as it goes: nothing gets old.  Then with empty memory of the nodes:
# all from Redis

my $s = Weir::ReplayStack->new(seed => 1, requests => 2000)->start;
my @different = $s->replay;

is(join("\n", @different), '', 'as predicted');
diag($s->table) if @different;

my $joined = $s->{replay}{row}{all}{joined};
cmp_ok($joined, '>', 0, "some were in flight: $joined joined");

@different = $s->replay;

is(join("\n", @different), '', 'a second time, as predicted');
diag($s->table) if @different;

my $all = $s->{replay}{row}{all};
is($all->{hits}, $all->{cacheable}, 'all that can be are hits');
is($all->{calls}, $all->{bypass}, 'the LLM has none of them');

$s->end;


# tenants that are answered with what others asked are found out

$s = Weir::ReplayStack->new(requests => 200, prompts => 10,
                            share => 'shared')->start;

like(join("\n", $s->replay), qr/has the answer of /, 'sharing is no success');
$s->end;


# in times of their own answers get old.  A machine that is later than the log
# allows is given more time

for my $ttl (1, 2, 4) {
    $s = Weir::ReplayStack->new(seed => 3, requests => 600, prompts => 100,
                                ttl => $ttl)->start;
    @different = $s->replay;
    $s->end;

    my ($late, $margin) = ($s->{replay}{late}, $s->{log}{margin});
    last if $late < $margin;
    diag(sprintf '%d ms late, of %d: again', $late, $margin);
}

is(join("\n", @different), '', 'answers get old as predicted');
diag($s->table) if @different;

done_testing();
