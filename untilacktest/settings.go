// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// writeSettings writes the fields of a struct that are not zero, as words: a field
// ToBare that is true as "to-bare", a field Delay as "delay=3s". Functions and pointers
// are no words.
func writeSettings(from any) string {
	var words []string
	v := reflect.ValueOf(from)
	for i := range v.NumField() {
		name, field := settingName(v.Type().Field(i).Name), v.Field(i)
		switch {
		case field.IsZero(), field.Kind() == reflect.Func, field.Kind() == reflect.Pointer:
		case field.Kind() == reflect.Bool:
			words = append(words, name)
		default:
			words = append(words, fmt.Sprintf("%s=%v", name, field.Interface()))
		}
	}
	return strings.Join(words, " ")
}

// readSettings sets the fields of the struct that into points to.
func readSettings(text string, into any) error {
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		fields[settingName(v.Type().Field(i).Name)] = v.Field(i)
	}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		field, known := fields[name]
		if !known {
			return fmt.Errorf("untilacktest: unknown setting %q", word)
		}
		if err := readSetting(value, field); err != nil {
			return fmt.Errorf("untilacktest: setting %q: %w", word, err)
		}
	}
	return nil
}

func readSetting(text string, field reflect.Value) error {
	switch field.Interface().(type) {
	case bool:
		field.SetBool(true)
	case time.Duration:
		d, err := time.ParseDuration(text)
		field.SetInt(int64(d))
		return err
	case int:
		n, err := strconv.Atoi(text)
		field.SetInt(int64(n))
		return err
	case uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		field.SetUint(n)
		return err
	default:
		return fmt.Errorf("it is no text")
	}
	return nil
}

// settingName turns ToBare into to-bare, and ID into id.
func settingName(field string) string {
	var name strings.Builder
	letters := []rune(field)
	for i, r := range letters {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(letters[i-1]) {
			name.WriteByte('-')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}
