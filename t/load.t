# The module beside a configuration that uses none of its directives.

use lib 't/lib';
use Weir 'no_plan';

run_tests();

__DATA__

=== TEST 1: loaded, and out of the way
--- http_config
--- config
location /t {
    return 200 "ok\n";
}
--- response_body
ok



=== TEST 2: a directive that does not exist is refused by name
--- http_config
--- config
location /t {
    weir_nonsense on;
}
--- must_die
--- suppress_stderr
--- error_log
unknown directive "weir_nonsense"
