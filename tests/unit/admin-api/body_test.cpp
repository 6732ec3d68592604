// SPDX-License-Identifier: Apache-2.0
// Every way a body can be wrong, one line each.
#include "api_fixture.hpp"

namespace loom {
namespace {

using Body = Api;

struct BadBody {
  const char* body;
  const char* type;
  const char* pointer;
  const char* detail;
  const char* suggestion;
};

constexpr const char* kJson = "urn:loom:problem:invalid-json";
constexpr const char* kBody = "urn:loom:problem:invalid-body";

void expect_problem(const Json& problem, const BadBody& bad) {
  EXPECT_EQ(problem["status"], 400) << bad.body;
  EXPECT_EQ(problem["type"], bad.type) << bad.body;
  ASSERT_GE(problem["errors"].size(), 1u) << bad.body;
  const Json& error = problem["errors"][0];
  EXPECT_EQ(error["pointer"], bad.pointer) << bad.body;
  EXPECT_NE(error["detail"].get<std::string>().find(bad.detail), std::string::npos)
      << bad.body << ": " << error["detail"];
  EXPECT_EQ(error.value("suggestion", ""), bad.suggestion) << bad.body;
}

const std::vector<BadBody> kBadPosts = {
    {"", kJson, "", "the body is empty", ""},
    {" \n", kJson, "", "the body is empty", ""},
    {"address=10.0.1.12", kJson, "", "invalid literal", ""},
    {R"({"address": "10.0.1.12",})", kJson, "", "unexpected", ""},
    {"{\"address\": \"\xff\"}", kJson, "", "invalid", ""},
    {R"({"port": 1, "port": 2})", kJson, "/port", "given twice", ""},
    {"[]", kBody, "", "must be a JSON object, not array", ""},
    {"null", kBody, "", "must be a JSON object, not null", ""},
    {"7", kBody, "", "must be a JSON object, not number", ""},
    {"{}", kBody, "/address", "is missing", R"(for example "address": "10.0.1.12")"},
    {R"({"address": 7})", kBody, "/address", "must be a string, not number", ""},
    {R"({"address": "web.example"})", kBody, "/address", "is not an IPv4 or IPv6 address", ""},
    {R"({"address": "10.0.1.12:80"})", kBody, "/address", "is not an IPv4",
     R"(give the port as "port")"},
    {R"({"address": "10.0.1.12", "port": 65536})", kBody, "/port", "not between 0 and 65535", ""},
    {R"({"address": "10.0.1.12", "port": -1})", kBody, "/port", "not between 0 and 65535", ""},
    {R"({"address": "10.0.1.12", "port": "80"})", kBody, "/port", "must be an integer, not string",
     "write it without quotes"},
    {R"({"address": "10.0.1.12", "port": 80.5})", kBody, "/port", "must be an integer", ""},
    {R"({"address": "10.0.1.12", "weight": 65536})", kBody, "/weight", "65536 is not between", ""},
    {R"({"address": "10.0.1.12", "weight": 18446744073709551615})", kBody, "/weight",
     "18446744073709551615 is not between", ""},
    {R"({"address": "10.0.1.12", "weight": true})", kBody, "/weight", "not boolean", ""},
    {R"({"address": "10.0.1.12", "weight": null})", kBody, "/weight", "not null", ""},
    {R"({"address": "10.0.1.12", "wieght": 5})", kBody, "/wieght", "unknown member",
     "did you mean \"weight\"?"},
    {R"({"address": "10.0.1.12", "a/b": 5})", kBody, "/a~1b", "unknown member", ""},
    {R"({"address": "10.0.1.12", "service": 5})", kBody, "/service", "must be a string", ""},
    {R"({"address": "10.0.1.12", "state": "drained"})", kBody, "/state", "must be \"active\"",
     "did you mean \"drain\"?"},
    {R"({"address": "10.0.1.12", "name": "a\nb"})", kBody, "/name", "not printable ASCII", ""},
    {R"({"address": "10.0.1.12", "name": "0123456789012345678901234567890123456789012345678901234567890123"})",
     kBody, "/name", "longer than 63", ""},
};

TEST_F(Body, OfAPostIsRefusedWithTheMemberAndWhatToDo) {
  for (const BadBody& bad : kBadPosts)
    expect_problem(json(send("POST", "/ebpf/backends", bad.body)), bad);
  EXPECT_EQ(control_.state.generation, 7u) << "nothing was changed";
}

const std::vector<BadBody> kBadPatches = {
    {"{}", kBody, "", "changes nothing", "give weight, state or name"},
    {"[1]", kBody, "", "must be a JSON object", ""},
    {"{", kJson, "", "unexpected end of input", ""},
    {R"({"weight": -1})", kBody, "/weight", "-1 is not between", ""},
    {R"({"weight": "5"})", kBody, "/weight", "must be an integer", "write it without quotes"},
    {R"({"state": 1})", kBody, "/state", "must be a string", ""},
    {R"({"state": ""})", kBody, "/state", "must be \"active\"", ""},
    {R"({"address": "10.0.1.12"})", kBody, "/address", "cannot be changed",
     "remove this backend and add another"},
    {R"({"id": null})", kBody, "/id", "cannot be changed", "remove this backend and add another"},
    {R"({"weigh": 1})", kBody, "/weigh", "unknown member", "did you mean \"weight\"?"},
};

TEST_F(Body, OfAPatchIsRefusedWithTheMemberAndWhatToDo) {
  for (const BadBody& bad : kBadPatches)
    expect_problem(json(send("PATCH", "/ebpf/backends/1", bad.body)), bad);
  EXPECT_EQ(control_.state.generation, 7u) << "nothing was changed";
}

TEST_F(Body, ErrorsAreAllReportedAtOnce) {
  const Json problem =
      json(send("POST", "/ebpf/backends", R"({"port": 70000, "weight": "x", "color": 1})"));
  EXPECT_EQ(problem["errors"].size(), 4u) << problem;
  EXPECT_EQ(problem["detail"], "4 errors in the body");
}

TEST_F(Body, ThatIsNotJsonIsPointedInto) {
  const Json problem = json(send("POST", "/ebpf/backends", "{\n  \"address\": 10.0.1.12\n}"));
  EXPECT_EQ(problem["line"], 2);
  EXPECT_GT(problem["column"], 14);
  EXPECT_GT(problem["byte"], 16);
  EXPECT_TRUE(problem["detail"].get<std::string>().starts_with("line 2, column "));
}

TEST_F(Body, MayStartWithAByteOrderMark) {
  EXPECT_EQ(send("PATCH", "/ebpf/backends/1", "\xef\xbb\xbf{\"weight\": 1}").status, 200);
}

}  // namespace
}  // namespace loom
